// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Carrier} from "../contracts/Carrier.sol";
import {Consortium} from "../contracts/Consortium.sol";
import {Appeals} from "../contracts/cover/Appeals.sol";
import {Authorizations} from "../contracts/cover/Authorizations.sol";
import {Benefits} from "../contracts/cover/Benefits.sol";
import {Claims} from "../contracts/cover/Claims.sol";
import {Episodes} from "../contracts/cover/Episodes.sol";
import {Escrow} from "../contracts/cover/Escrow.sol";
import {Policies} from "../contracts/cover/Policies.sol";
import {Rules} from "../contracts/cover/Rules.sol";
import {AccessLog} from "../contracts/health/AccessLog.sol";
import {Delegations} from "../contracts/health/Delegations.sol";
import {Emergencies} from "../contracts/health/Emergencies.sol";
import {Grants} from "../contracts/health/Grants.sol";
import {Keys} from "../contracts/health/Keys.sol";
import {Letters} from "../contracts/health/Letters.sol";
import {Records} from "../contracts/health/Records.sol";
import {Recovery} from "../contracts/health/Recovery.sol";
import {IConsortium} from "../contracts/interfaces/IConsortium.sol";
import {RoleWords} from "../contracts/libraries/RoleWords.sol";
import {Batches} from "../contracts/medicine/Batches.sol";
import {ColdChain} from "../contracts/medicine/ColdChain.sol";
import {Prescriptions} from "../contracts/medicine/Prescriptions.sol";
import {Wallet1271} from "../contracts/test/Wallet1271.sol";
import {
    AUDITOR,
    CLINICIAN,
    CUSTODIAN,
    DEVICE,
    DISTRIBUTOR,
    GATEWAY,
    INSURER,
    LABORATORY,
    MAKER,
    PHARMACIST,
    PRESCRIBER,
    REGULATOR,
    Roles
} from "../contracts/types/Roles.sol";
import {VM} from "./Vm.sol";

// The numbers of the members that the world is founded with.
uint32 constant HOSPITAL = 1;
uint32 constant CLINIC = 2;
uint32 constant FIRST_INSURER = 3;
uint32 constant AUTHORITY = 4;
uint32 constant FIRST_MAKER = 5;
uint32 constant FIRST_DISTRIBUTOR = 6;
uint32 constant FIRST_PHARMACY = 7;
uint32 constant SECOND_PHARMACY = 8;
uint32 constant SECOND_INSURER = 9;
uint32 constant FIRST_CUSTODIAN = 10;
uint32 constant SECOND_CUSTODIAN = 11;
uint32 constant THIRD_CUSTODIAN = 12;
uint32 constant SECOND_MAKER = 13;
uint32 constant SECOND_DISTRIBUTOR = 14;
uint32 constant FOUNDERS = 14;

/// @title World
/// @notice All contracts as they are deployed together, the people who use them, and one clock for all of them.
/// @dev The engines keep time differently, so every act and every look first sets the block's time to this clock. A call
/// is never made between `prank` and the act that it is for: it would be the one that is pranked.
contract World {
    uint256 public constant DAWN = 1_800_000_000;
    uint40 public constant LICENSED_UNTIL = uint40(DAWN + 3650 days);

    Consortium public immutable consortium;
    Recovery public immutable recovery;
    Keys public immutable keys;
    Records public immutable records;
    Grants public immutable grants;
    Delegations public immutable delegations;
    Letters public immutable letters;
    AccessLog public immutable accessLog;
    Carrier public immutable carrier;
    Batches public immutable batches;
    ColdChain public immutable coldChain;
    Prescriptions public immutable prescriptions;
    Policies public immutable policies;
    Rules public immutable rules;
    Authorizations public immutable authorizations;
    Escrow public immutable escrow;
    Benefits public immutable benefits;
    Claims public immutable claims;
    Appeals public immutable appeals;
    Episodes public immutable episodes;
    Emergencies public immutable emergencies;

    address public immutable board;
    address public immutable relayer;
    address public immutable stranger;

    /// @notice The time at which the next act is made and everything is looked at.
    uint256 public clock = DAWN;

    /// @notice The private key of an account here; of a wallet contract, its owner's. Zero for who is not of this world.
    mapping(address account => uint256) public keyOf;

    mapping(uint32 member => address[]) private _staffOf;
    address[] private _patients;
    address[] private _wallets;
    address[] private _publishers;
    address[] private _guardians;
    address[] private _newcomers;
    uint256 private _lastKey = 0x7e41ac;

    constructor() {
        VM.warp(DAWN);
        board = _person();
        relayer = _person();
        stranger = _person();

        consortium = new Consortium(board);
        recovery = new Recovery();
        keys = Keys(address(recovery.keys()));
        records = new Records(consortium, keys);
        grants = new Grants(consortium, keys);
        delegations = Delegations(grants.delegations());
        letters = new Letters(keys);
        accessLog = new AccessLog(consortium);
        carrier = new Carrier();
        batches = new Batches(consortium);
        coldChain = new ColdChain(consortium, batches);
        prescriptions = new Prescriptions(consortium);
        policies = new Policies(consortium, keys);
        rules = new Rules();
        authorizations = new Authorizations(consortium, policies);
        escrow = new Escrow(consortium, policies);
        benefits = new Benefits(consortium, records, policies, rules, authorizations);
        claims = new Claims(consortium, keys, batches, prescriptions, policies, benefits, escrow);
        appeals = new Appeals(consortium, keys, policies, claims);
        episodes = new Episodes(consortium, keys, records, policies, escrow);
        emergencies = new Emergencies(consortium, keys);

        _found();
        _people();
    }

    /// @notice Minutes pass.
    function passMinutes(uint256 seed) external {
        clock += 1 + (seed % 1 hours);
    }

    /// @notice Hours pass.
    function passHours(uint256 seed) external {
        clock += 1 hours + (seed % 1 days);
    }

    /// @notice A day or some pass, or only hours: acts should meet what earlier ones have left.
    function passDays(uint256 seed) external {
        clock += seed % 2 == 0 ? 1 days + (seed % 6 days) : 1 hours + (seed % 1 days);
    }

    /// @notice Weeks pass, but never more than twenty days at once; three times of four it is hours.
    function passWeeks(uint256 seed) external {
        clock += seed % 4 == 0 ? 7 days + (seed % 13 days) : 1 hours + (seed % 1 days);
    }

    /// @notice The hash that an account signs for a message to a contract here that has a domain.
    function hashOf(address verifier, bytes32 structHash) external view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", _domain(verifier), structHash));
    }

    /// @notice The account that acts for a member now.
    function accountOf(uint32 member) public view returns (address) {
        return consortium.memberOf(member).account;
    }

    /// @notice The people who joined a founding member at the beginning.
    function staffOf(uint32 member) external view returns (address[] memory) {
        return _staffOf[member];
    }

    /// @notice The pseudonyms: two keys, a smart wallet, a key.
    function patients() external view returns (address[] memory) {
        return _patients;
    }

    /// @notice Where patients move to: two keys and a smart wallet.
    function wallets() external view returns (address[] memory) {
        return _wallets;
    }

    /// @notice Keys that publish for pseudonyms.
    function publishers() external view returns (address[] memory) {
        return _publishers;
    }

    /// @notice Five keys in ascending order, who stand by as guardians, relatives, delegates.
    function guardians() external view returns (address[] memory) {
        return _guardians;
    }

    /// @notice Six keys and a smart wallet that belong to no member at first.
    function newcomers() external view returns (address[] memory) {
        return _newcomers;
    }

    function _found() private {
        Roles hospital = CLINICIAN | PRESCRIBER | LABORATORY | DEVICE | GATEWAY;
        _admit(HOSPITAL, hospital);
        _admit(CLINIC, CLINICIAN | PHARMACIST);
        _admit(FIRST_INSURER, INSURER);
        _admit(AUTHORITY, REGULATOR | AUDITOR);
        _admit(FIRST_MAKER, MAKER);
        _admit(FIRST_DISTRIBUTOR, DISTRIBUTOR | DEVICE);
        _admit(FIRST_PHARMACY, PHARMACIST | DEVICE);
        _admit(SECOND_PHARMACY, PHARMACIST);
        _admit(SECOND_INSURER, INSURER);
        _admit(FIRST_CUSTODIAN, CUSTODIAN);
        _admit(SECOND_CUSTODIAN, CUSTODIAN | AUDITOR);
        _admit(THIRD_CUSTODIAN, CUSTODIAN);
        _admit(SECOND_MAKER, MAKER);
        _admit(SECOND_DISTRIBUTOR, DISTRIBUTOR);

        _hire(HOSPITAL, CLINICIAN | PRESCRIBER);
        _hire(HOSPITAL, CLINICIAN);
        _hire(HOSPITAL, LABORATORY);
        _hire(HOSPITAL, GATEWAY);
        _hire(CLINIC, CLINICIAN);
        _hire(CLINIC, PHARMACIST);
        _hire(FIRST_INSURER, INSURER);
        _hire(SECOND_INSURER, INSURER);
        _hire(AUTHORITY, AUDITOR);
        _hire(AUTHORITY, REGULATOR);
        _hire(FIRST_MAKER, MAKER);
        _hire(SECOND_MAKER, MAKER);
        _hire(FIRST_DISTRIBUTOR, DISTRIBUTOR);
        _hire(SECOND_DISTRIBUTOR, DISTRIBUTOR);
        _hire(FIRST_PHARMACY, PHARMACIST);
        _hire(SECOND_PHARMACY, PHARMACIST);
        _hire(FIRST_CUSTODIAN, CUSTODIAN);
        _hire(SECOND_CUSTODIAN, CUSTODIAN);
        _hire(SECOND_CUSTODIAN, AUDITOR);
        _hire(THIRD_CUSTODIAN, CUSTODIAN);
    }

    function _people() private {
        _patients.push(_person());
        _patients.push(_person());
        _patients.push(_wallet());
        _patients.push(_person());
        _wallets.push(_person());
        _wallets.push(_person());
        _wallets.push(_wallet());
        for (uint256 i = 0; i < 3; ++i) _publishers.push(_person());
        for (uint256 i = 0; i < 5; ++i) _guardians.push(_person());
        for (uint256 i = 0; i < 6; ++i) _newcomers.push(_person());
        _newcomers.push(_wallet());
        for (uint256 i = 1; i < 5; ++i) {
            for (uint256 j = i; j > 0 && _guardians[j - 1] > _guardians[j]; --j) {
                (_guardians[j - 1], _guardians[j]) = (_guardians[j], _guardians[j - 1]);
            }
        }
    }

    function _admit(uint32 number, Roles roles) private {
        address account = _person();
        VM.prank(board);
        consortium.admit(account, roles, 3, LICENSED_UNTIL);

        assert(consortium.memberCount() == number);
    }

    function _hire(uint32 member, Roles roles) private {
        address person = _person();
        IConsortium.Join memory terms = IConsortium.Join(person, member, roles, 0, uint40(DAWN + 1 days));
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Join(address account,uint32 member,string[] roles,uint32 nonce,uint40 deadline)"),
                person,
                member,
                RoleWords.hashOf(roles),
                terms.nonce,
                terms.deadline
            )
        );
        bytes32 hash = keccak256(abi.encodePacked(hex"1901", _domain(address(consortium)), structHash));
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(keyOf[person], hash);
        address employer = accountOf(member);
        VM.prank(employer);
        consortium.join(terms, abi.encodePacked(r, s, v));

        _staffOf[member].push(person);
    }

    function _person() private returns (address account) {
        uint256 key = ++_lastKey;
        account = VM.addr(key);
        keyOf[account] = key;
    }

    function _wallet() private returns (address wallet) {
        address owner = _person();
        wallet = address(new Wallet1271(owner));
        keyOf[wallet] = keyOf[owner];
    }

    function _domain(address verifier) private view returns (bytes32) {
        (, string memory name, string memory version, uint256 chain, address there, , ) = EIP712(verifier)
            .eip712Domain();
        return
            keccak256(
                abi.encode(
                    keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                    keccak256(bytes(name)),
                    keccak256(bytes(version)),
                    chain,
                    there
                )
            );
    }
}
