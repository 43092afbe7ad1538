// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title IAuthorizations
/// @notice What an insurer has authorized before it is done: so many units of a service, until then.
/// @dev That it is used once is what `Benefits` keeps.
interface IAuthorizations {
    /// @notice Where a request stands.
    enum AuthorizationStatus {
        None,
        Requested,
        Pended,
        Approved,
        Refused
    }

    /// @notice What a provider asks for.
    /// @param plan The plan.
    /// @param pseudonym The policy year's pseudonym.
    /// @param service The service's salted id.
    /// @param units How many units.
    /// @param document The digest of the sealed reasons.
    struct Request {
        bytes32 plan;
        address pseudonym;
        bytes32 service;
        uint16 units;
        bytes32 document;
    }

    /// @notice What is known of a request.
    /// @param subject The hash of the plan, the pseudonym, the provider and the service.
    /// @param status Where it stands.
    /// @param provider The member that asked.
    /// @param units How many units were asked for, or are allowed.
    /// @param amount The most that is allowed for the line; zero for no such limit.
    /// @param expiry It counts before this second.
    struct Authorization {
        bytes32 subject;
        AuthorizationStatus status;
        uint32 provider;
        uint16 units;
        uint64 amount;
        uint40 expiry;
    }

    /// @notice A provider asks.
    event Requested(bytes32 indexed authorization, bytes32 indexed plan, address indexed pseudonym, uint32 provider);

    /// @notice The insurer says what it misses.
    event Pended(bytes32 indexed authorization, bytes32 document);

    /// @notice The provider says what was missing.
    event Completed(bytes32 indexed authorization, bytes32 document);

    /// @notice The insurer allows it, with these limits.
    event Approved(bytes32 indexed authorization, uint16 units, uint64 amount, uint40 expiry);

    /// @notice The insurer refuses it.
    event Refused(bytes32 indexed authorization, bytes32 document);

    /// @notice The account holds no such role for a member in standing.
    error NoStanding(address account);

    /// @notice Another member is the plan's insurer.
    error NotTheInsurer(bytes32 authorization, uint32 member, uint32 insurer);

    /// @notice Another member asked for it.
    error NotTheProvider(bytes32 authorization, uint32 member, uint32 provider);

    /// @notice The request's status does not allow this.
    error WrongStatus(bytes32 authorization, AuthorizationStatus status);

    /// @notice A request needs a service, units and a document.
    error EmptyRequest();

    /// @notice The pseudonym has no policy of this plan.
    error NoSuchPolicy(bytes32 plan, address pseudonym);

    /// @notice It cannot allow more units than were asked for, none, or end in the past.
    error WrongLimits(uint16 units, uint16 asked, uint40 expiry);

    /// @notice What is known of a request.
    function authorizationOf(bytes32 authorization) external view returns (Authorization memory);

    /// @notice What a line of a claim submitted at `time` may have by an authorization; no units where it does not count
    /// for it.
    function allowanceOf(
        bytes32 authorization,
        bytes32 plan,
        address pseudonym,
        uint32 provider,
        bytes32 service,
        uint40 time
    ) external view returns (uint16 units, uint64 amount);

    /// @notice The number of a request of a provider's.
    function idOf(Request calldata asked, uint32 provider) external pure returns (bytes32 authorization);

    /// @notice Asks. Only a provider.
    function request(Request calldata asked) external returns (bytes32 authorization);

    /// @notice Says that something is missing. Only the plan's insurer.
    function pend(bytes32 authorization, bytes32 document) external;

    /// @notice Brings what was missing. Only the provider that asked.
    function complete(bytes32 authorization, bytes32 document) external;

    /// @notice Allows it. Only the plan's insurer.
    function approve(bytes32 authorization, uint16 units, uint64 amount, uint40 expiry) external;

    /// @notice Refuses it. Only the plan's insurer.
    function refuse(bytes32 authorization, bytes32 document) external;
}
