// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Consortium} from "../../contracts/Consortium.sol";
import {Grants} from "../../contracts/health/Grants.sol";
import {Keys} from "../../contracts/health/Keys.sol";
import {IConsortium} from "../../contracts/interfaces/IConsortium.sol";
import {IGrants} from "../../contracts/interfaces/health/IGrants.sol";
import {Purposes} from "../../contracts/libraries/Purposes.sol";
import {Purpose, TREAT} from "../../contracts/types/Purpose.sol";
import {CLINICIAN, Roles} from "../../contracts/types/Roles.sol";
import {Scope} from "../../contracts/types/Scope.sol";
import {svm, vm} from "./Cheats.sol";

/// @title GrantsProofs
/// @notice Whom the deployed Grants let read, with any content of its storage, of Keys' and of the consortium's.
/// @custom:takes minutes
contract GrantsProofs {
    using Purposes for Purpose;

    uint16 private constant REFERRED = type(uint16).max;

    Consortium private immutable _consortium = new Consortium(address(this));
    Keys private immutable _keys = new Keys(address(this));
    Grants private immutable _grants = new Grants(_consortium, _keys);

    /// @dev What is asked, and when.
    struct Question {
        address pseudonym;
        address reader;
        Scope scope;
        Purpose purpose;
        uint40 time;
    }

    // property H1
    // property H2
    // property K3
    function check_allowed__without_a_role_only_by_the_readers_grant_that_names_all_of_it(
        Question calldata asked
    ) external {
        _begin(asked);
        vm.assume(asked.purpose.roleOf().isNone());

        if (_grants.allowed(asked.pseudonym, asked.reader, asked.scope, asked.purpose)) {
            assert(_covers(asked, asked.reader));
        }
    }

    // property H1
    // property H2
    // property K3
    /// @dev Bound: the purpose is treatment; the others that ask for a role differ by that alone
    function check_allowed__with_a_role_only_by_one_grant_of_the_readers_or_its_members(
        Question memory asked
    ) external {
        asked.purpose = TREAT;
        _begin(asked);

        if (_grants.allowed(asked.pseudonym, asked.reader, asked.scope, TREAT)) {
            assert(_covers(asked, asked.reader) || _covers(asked, _memberOf(asked)));
        }
    }

    // property B1
    // property B2
    function check_standing__is_of_an_account_in_a_member_that_stands_with_a_role_of_both(
        address account,
        Roles roles,
        uint40 time
    ) external {
        svm.enableSymbolicStorage(address(_consortium));
        vm.warp(time);

        uint32 number = _consortium.standing(account, roles);

        if (number == 0) return;
        IConsortium.Affiliation memory affiliation = _consortium.affiliationOf(account);
        IConsortium.Member memory member = _consortium.memberOf(number);
        assert(affiliation.member == number);
        assert(member.status == IConsortium.MemberStatus.Admitted);
        assert(time < member.expiry);
        assert(!(affiliation.roles & member.roles & roles).isNone());
    }

    // property H1
    // property B2
    /// @dev Bound: the purpose is treatment; the others that ask for a role differ by that alone
    function check_allowed__not_to_who_has_no_standing_in_the_role(Question memory asked) external {
        asked.purpose = TREAT;
        _begin(asked);
        vm.assume(_consortium.standing(asked.reader, CLINICIAN) == 0);

        assert(!_grants.allowed(asked.pseudonym, asked.reader, asked.scope, TREAT));
    }

    // property G1
    // property G4
    function check_allowed__not_once_what_it_stands_under_ended(Question calldata asked) external {
        _begin(asked);
        // A purpose without a role: the reader's own grant is the only one that counts.
        vm.assume(asked.purpose.roleOf().isNone());
        IGrants.Grant memory granted = _grants.grantOf(asked.pseudonym, asked.reader, asked.purpose);

        bool isAllowed = _grants.allowed(asked.pseudonym, asked.reader, asked.scope, asked.purpose);

        if (!isAllowed || granted.by == 0) return;
        if (granted.by != REFERRED) {
            assert(_lives(asked, granted));
            return;
        }
        address from = _grants.referrerOf(asked.pseudonym, asked.reader, asked.purpose);
        IGrants.Grant memory above = _grants.grantOf(asked.pseudonym, from, asked.purpose);
        assert(above.nonce == granted.generation);
        assert(asked.time < above.expiry);
        assert(above.by == 0 || _lives(asked, above));
    }

    // property H1
    function check_allowed__to_whom_a_live_grant_names_for_what_needs_no_role(Question calldata asked) external {
        _begin(asked);
        vm.assume(asked.purpose.exists() && asked.purpose.roleOf().isNone() && !asked.scope.isEmpty());
        IGrants.Grant memory granted = _grants.grantOf(asked.pseudonym, asked.reader, asked.purpose);
        vm.assume(granted.by == 0 && _covers(asked, asked.reader));

        assert(_grants.allowed(asked.pseudonym, asked.reader, asked.scope, asked.purpose));
    }

    // property H1
    function check_allowed__for_no_purpose_that_there_is_not_and_for_nothing(Question calldata asked) external {
        _begin(asked);
        vm.assume(!asked.purpose.exists() || asked.scope.isEmpty());

        assert(!_grants.allowed(asked.pseudonym, asked.reader, asked.scope, asked.purpose));
    }

    function _begin(Question memory asked) private {
        svm.enableSymbolicStorage(address(_consortium));
        svm.enableSymbolicStorage(address(_keys));
        svm.enableSymbolicStorage(address(_grants));
        vm.warp(asked.time);
    }

    /// @dev Whether the grant to an account is of this era, runs now, and has every class that is asked for.
    function _covers(Question memory asked, address account) private view returns (bool) {
        IGrants.Grant memory granted = _grants.grantOf(asked.pseudonym, account, asked.purpose);
        if (granted.era != _keys.eraOf(asked.pseudonym)) return false;
        if (asked.time < granted.start || asked.time >= granted.expiry) return false;

        return Scope.unwrap(asked.scope) & ~Scope.unwrap(granted.scope) == 0 && Scope.unwrap(asked.scope) != 0;
    }

    function _memberOf(Question memory asked) private view returns (address) {
        return address(uint160(_consortium.affiliationOf(asked.reader).member));
    }

    function _lives(Question memory asked, IGrants.Grant memory granted) private view returns (bool) {
        IGrants.Parent memory parent = _grants.parentOf(asked.pseudonym, granted.by);
        return parent.generation == granted.generation && asked.time < parent.expiry;
    }
}
