// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title A contract that does a little of everything the ledger has to understand
/// @notice Emits events of every shape, refuses in every way, and counts what each caller did. Used by tests only.
contract Emitter {
    struct Reading {
        uint40 time;
        int16 celsius;
        bytes32[] sensors;
    }

    /// @notice `amount` was noted for `subject`.
    event Noted(address indexed subject, bytes32 indexed key, uint256 amount, string remark);
    /// @notice A reading was taken at `place`, which is kept only as a hash.
    event Measured(string indexed place, Reading reading, bool alarm);
    /// @notice Someone did something.
    event Ticked(uint256 count);

    error NotPermitted(address caller, uint256 asked, bytes32[] missing);
    error Closed();
    error Wrapped(uint256 index, bytes reason);

    uint256 public count;
    uint256 public immutable ceiling;
    bool public closed;
    mapping(bytes32 key => uint256 times) public timesOf;

    constructor(uint256 ceiling_) {
        ceiling = ceiling_;
    }

    function note(address subject, bytes32 key, uint256 amount, string calldata remark) external {
        if (closed) revert Closed();

        timesOf[key]++;
        emit Noted(subject, key, amount, remark);
    }

    function noteMany(address subject, bytes32 key, uint256 times) external {
        for (uint256 i = 0; i < times; i++) emit Noted(subject, key, i, "");
    }

    function measure(string calldata place, Reading calldata reading, bool alarm) external {
        emit Measured(place, reading, alarm);
    }

    function tick() external payable {
        if (count >= ceiling) revert NotPermitted(msg.sender, count + 1, new bytes32[](1));

        count++;
        emit Ticked(count);
    }

    function setClosed(bool closed_) external {
        closed = closed_;
    }

    function refuse(uint256 asked, bytes32[] calldata missing) external {
        count = asked;
        revert NotPermitted(msg.sender, asked, missing);
    }

    function refuseWithWords(string calldata words) external {
        count = 1;
        revert(words);
    }

    function refuseInside(uint256 index) external {
        count = index;
        revert Wrapped(index, abi.encodeWithSelector(Closed.selector));
    }

    function refuseSilently() external {
        count = 1;
        assembly {
            revert(0, 0)
        }
    }

    function panic(uint256 divisor) external returns (uint256) {
        count = 1 / divisor;
        return count;
    }

    function burn() external {
        count = 1;
        assembly {
            invalid()
        }
    }

    function look(uint40 time) external view returns (Reading memory reading, address seen, uint256 total) {
        reading = Reading({time: time, celsius: -7, sensors: new bytes32[](2)});
        seen = address(this);
        total = count;
    }
}
