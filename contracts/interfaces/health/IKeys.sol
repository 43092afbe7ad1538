// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title IKeys
/// @notice Who controls a pseudonym and which document of its keys is the current one: a patient's bundle, a member's profile.
/// @dev No key is on the chain: the bundle is a sealed document in the store, and the chain holds its digest and version.
interface IKeys {
    /// @notice Who speaks for a pseudonym; one slot.
    /// @param controller The account whose signature counts: the pseudonym itself until it was moved.
    /// @param era Raised to void everything signed or granted before.
    /// @param version The current document's version; zero before the first.
    /// @param frozen A recovery is pending: only revoke, raise era, publish and object are possible.
    struct Authority {
        address controller;
        uint32 era;
        uint32 version;
        bool frozen;
    }

    /// @notice The key that may publish the next version and nothing else; one slot.
    /// @param account The publisher, zero for none.
    /// @param nonce Counts appointments and hand-overs; a signature for either names it.
    struct Publisher {
        address account;
        uint32 nonce;
    }

    /// @notice The next version of a pseudonym's document, signed by its controller or its publisher.
    /// @param pseudonym Whose document it is.
    /// @param version One more than the current version.
    /// @param bundle The sha2-256 digest of the document's CID.
    /// @param era The pseudonym's era.
    /// @param deadline The last second the signature counts, at most an hour ahead.
    struct Publication {
        address pseudonym;
        uint32 version;
        bytes32 bundle;
        uint32 era;
        uint40 deadline;
    }

    /// @notice The next version together with a new publisher, signed by the controller.
    /// @param pseudonym Whose document it is.
    /// @param version One more than the current version.
    /// @param bundle The sha2-256 digest of the document's CID.
    /// @param publisher The account that may publish from now on.
    /// @param nonce The publisher's nonce.
    /// @param era The pseudonym's era.
    /// @param deadline The last second the signature counts, at most an hour ahead.
    struct Rotation {
        address pseudonym;
        uint32 version;
        bytes32 bundle;
        address publisher;
        uint32 nonce;
        uint32 era;
        uint40 deadline;
    }

    /// @notice Who may publish the next versions, signed by the controller; zero for nobody else.
    /// @param pseudonym Whose publisher it is.
    /// @param publisher The account that may publish from now on.
    /// @param nonce The publisher's nonce.
    /// @param era The pseudonym's era.
    /// @param deadline The last second the signature counts, at most an hour ahead.
    struct Appointment {
        address pseudonym;
        address publisher;
        uint32 nonce;
        uint32 era;
        uint40 deadline;
    }

    /// @notice The end of everything that was signed or granted so far, signed by the controller.
    /// @param pseudonym Whose era is raised.
    /// @param era The era that ends.
    /// @param deadline The last second the signature counts, at most an hour ahead.
    struct EraEnd {
        address pseudonym;
        uint32 era;
        uint40 deadline;
    }

    /// @notice The planned change to another wallet, signed by the old controller and the new one.
    /// @param pseudonym What changes hands.
    /// @param controller The new controller.
    /// @param publisher The publisher from then on; the old device knew the old one.
    /// @param keepGrants Whether grants live on; otherwise the era is raised.
    /// @param nonce The publisher's nonce.
    /// @param era The pseudonym's era.
    /// @param deadline The last second both signatures count, at most an hour ahead.
    struct HandOver {
        address pseudonym;
        address controller;
        address publisher;
        bool keepGrants;
        uint32 nonce;
        uint32 era;
        uint40 deadline;
    }

    /// @notice A document was published.
    event Published(address indexed pseudonym, uint32 version, bytes32 bundle, address by);

    /// @notice Another key may publish from now on; zero for none.
    event PublisherSet(address indexed pseudonym, address publisher);

    /// @notice Everything signed or granted before this era is void.
    event EraRaised(address indexed pseudonym, uint32 era);

    /// @notice Another account controls the pseudonym.
    event HandedOver(address indexed pseudonym, address indexed controller, address former);

    /// @notice A recovery is pending, or over.
    event FrozenSet(address indexed pseudonym, bool frozen);

    /// @notice The sender does not control the pseudonym.
    error NotTheController(address sender, address controller);

    /// @notice The sender neither controls the pseudonym nor is its publisher.
    error NotThePublisher(address sender, address publisher);

    /// @notice Only the recovery contract may do this.
    error NotTheRecovery(address sender, address recovery);

    /// @notice A recovery of the pseudonym is pending.
    error Frozen(address pseudonym);

    /// @notice A version grows by one.
    error WrongVersion(uint32 version, uint32 current);

    /// @notice A signature names another era than the pseudonym's.
    error WrongEra(uint32 era, uint32 current);

    /// @notice A signature names another nonce than the pseudonym's.
    error WrongNonce(uint32 nonce, uint32 current);

    /// @notice The signature's deadline has passed.
    error SignatureExpired(uint40 deadline);

    /// @notice The signature's deadline is further ahead than an hour.
    error DeadlineTooFar(uint40 deadline, uint256 latest);

    /// @notice The signature is not that of the account that must sign.
    error WrongSignature(address signer);

    /// @notice A document needs a digest.
    error NoDigest();

    /// @notice A pseudonym cannot be handed to nobody, nor to the controller it has.
    error WrongController(address controller);

    /// @notice The contract that may freeze and recover a pseudonym; zero means that none can.
    function recovery() external view returns (address);

    /// @notice Who speaks for the pseudonym; one read.
    function authorityOf(address pseudonym) external view returns (Authority memory);

    /// @notice The pseudonym's era alone.
    function eraOf(address pseudonym) external view returns (uint32);

    /// @notice The version of the current document alone; zero before the first.
    function versionOf(address pseudonym) external view returns (uint32);

    /// @notice Who may publish the pseudonym's next version.
    function publisherOf(address pseudonym) external view returns (Publisher memory);

    /// @notice The digest of the current document; zero before the first.
    function digestOf(address pseudonym) external view returns (bytes32);

    /// @notice Publishes the next version. The controller or the publisher.
    /// @param pseudonym Whose document it is.
    /// @param version One more than the current version.
    /// @param bundle The sha2-256 digest of the document's CID.
    function publish(address pseudonym, uint32 version, bytes32 bundle) external;

    /// @notice Publishes the next version by the controller's or the publisher's signature; anyone may send it.
    function publishBySig(Publication calldata terms, bytes calldata signature) external;

    /// @notice Publishes the next version and changes the publisher in one act. Only the controller.
    function rotate(address pseudonym, uint32 version, bytes32 bundle, address publisher) external;

    /// @notice Publishes and changes the publisher by the controller's signature; anyone may send it.
    function rotateBySig(Rotation calldata terms, bytes calldata signature) external;

    /// @notice Changes the publisher; a stolen publisher's own publications cannot get in its way. Only the controller.
    function setPublisher(address pseudonym, address publisher) external;

    /// @notice Changes the publisher by the controller's signature; anyone may send it.
    function setPublisherBySig(Appointment calldata terms, bytes calldata signature) external;

    /// @notice Voids every grant, every signature and the publisher at once: "revoke all". Only the controller.
    function raiseEra(address pseudonym) external;

    /// @notice Voids every grant, every signature and the publisher by signature; anyone may send it.
    function raiseEraBySig(EraEnd calldata terms, bytes calldata signature) external;

    /// @notice Gives the pseudonym to another wallet; both have signed, and anyone may send it.
    /// @param terms What both signed.
    /// @param signature The old controller's.
    /// @param acceptance The new controller's.
    function handOver(HandOver calldata terms, bytes calldata signature, bytes calldata acceptance) external;

    /// @notice Freezes a pseudonym while a recovery is pending, or ends that. Only the recovery contract.
    function setFrozen(address pseudonym, bool frozen) external;

    /// @notice Gives the pseudonym to another controller, raises the era and ends the freeze. Only the recovery contract.
    function recover(address pseudonym, address controller) external;
}
