// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title IEpisodes
/// @notice Payment by outcome: a price of which a part is withheld until another member has seen what came of it.
/// @dev The insurer lets this contract hold its plan's money. What is held is paid or goes back, and nothing else.
interface IEpisodes {
    /// @notice Where an episode stands.
    enum EpisodeStatus {
        None,
        Open,
        Delivered,
        Settled,
        Expired
    }

    /// @notice What an insurer offers, and a provider and a patient sign.
    /// @param plan The plan.
    /// @param pseudonym The policy year's pseudonym.
    /// @param provider The member that treats.
    /// @param signer The provider's account that signs.
    /// @param assessor The member that says what came of it; another than the provider and the insurer.
    /// @param price What all of it costs.
    /// @param withheld What of that depends on the outcome.
    /// @param ends The second from which nothing of it is paid any more.
    /// @param document The digest of what was agreed, as people read it.
    /// @param era The pseudonym's era.
    /// @param deadline The last second at which the signatures count, at most 31 days ahead.
    struct Agreement {
        bytes32 plan;
        address pseudonym;
        uint32 provider;
        address signer;
        uint32 assessor;
        uint64 price;
        uint64 withheld;
        uint40 ends;
        bytes32 document;
        uint32 era;
        uint40 deadline;
    }

    /// @notice What an assessor signs.
    /// @param episode The episode's number.
    /// @param observation The digest of the observation that the assessor anchored under the pseudonym.
    /// @param achieved How much of the outcome was achieved, in hundredths of a percent.
    /// @param assessor The account that signs, of the assessing member.
    /// @param deadline The last second at which the signature counts, at most seven days ahead.
    struct Outcome {
        bytes32 episode;
        bytes32 observation;
        uint16 achieved;
        address assessor;
        uint40 deadline;
    }

    /// @notice What is known of an episode; three slots.
    /// @param status Where it stands.
    /// @param provider The member that treats.
    /// @param assessor The member that assesses.
    /// @param opened When it was opened.
    /// @param ends The second from which nothing of it is paid any more.
    /// @param price What all of it costs.
    /// @param withheld What of that depends on the outcome.
    /// @param pseudonym The policy year's pseudonym.
    /// @param plan The plan.
    struct Episode {
        EpisodeStatus status;
        uint32 provider;
        uint32 assessor;
        uint40 opened;
        uint40 ends;
        uint64 price;
        uint64 withheld;
        address pseudonym;
        bytes32 plan;
    }

    /// @notice An episode was opened, and its price is held.
    event Opened(
        bytes32 indexed episode,
        bytes32 indexed plan,
        address indexed pseudonym,
        uint32 provider,
        uint64 price
    );

    /// @notice The provider has done its part, and got what does not depend on the outcome.
    event Delivered(bytes32 indexed episode, bytes32 evidence, uint64 paid);

    /// @notice The outcome was seen: so much of what was withheld was released to the provider, and so much returned.
    event Assessed(bytes32 indexed episode, bytes32 observation, uint16 achieved, uint64 released, uint64 returned);

    /// @notice Its time ran out, and what was held still went back.
    event Expired(bytes32 indexed episode, uint64 returned);

    /// @notice The account holds no such role for a member in standing.
    error NoStanding(address account);

    /// @notice Another member than this act needs.
    error NotAParty(bytes32 episode, uint32 member);

    /// @notice The price is nothing or less than what is withheld, the assessor is a party, or the end is past or beyond
    /// 400 days.
    error WrongAgreement(bytes32 episode);

    /// @notice The pseudonym has no policy of this plan that lasts.
    error NotCovered(bytes32 plan, address pseudonym);

    /// @notice The episode's status does not allow this.
    error WrongStatus(bytes32 episode, EpisodeStatus status);

    /// @notice The member did not anchor this under the pseudonym since the episode was opened, does not stand by it, or has
    /// delivered another episode with it.
    error WrongEvidence(bytes32 evidence);

    /// @notice An outcome is at most the whole.
    error WrongShare(uint16 achieved);

    /// @notice It is too late.
    error TooLate(bytes32 episode, uint40 ends);

    /// @notice Its time has not run out.
    error TooEarly(bytes32 episode, uint40 ends);

    /// @notice The signature's deadline has passed.
    error SignatureExpired(uint40 deadline);

    /// @notice The deadline is further ahead than this message may reach.
    error DeadlineTooFar(uint40 deadline, uint256 latest);

    /// @notice The signature is not that of the account it should be of.
    error WrongSignature(address signer);

    /// @notice What is known of an episode.
    function episodeOf(bytes32 episode) external view returns (Episode memory);

    /// @notice An episode's number: the EIP-712 hash of what was agreed.
    function idOf(Agreement calldata terms) external pure returns (bytes32 episode);

    /// @notice Opens an episode, and holds its price. Only the plan's insurer, with the provider's and the patient's word.
    function open(Agreement calldata terms, bytes calldata provider, bytes calldata patient) external;

    /// @notice Says that the provider has done its part. Only the provider.
    /// @param evidence The digest of what it has anchored under the pseudonym since.
    function deliver(bytes32 episode, bytes32 evidence) external;

    /// @notice Says what came of it. Only the assessor.
    function assess(bytes32 episode, bytes32 observation, uint16 achieved) external;

    /// @notice Says what came of it by the signature of an account of the assessor; anyone may carry it.
    function assessBySig(Outcome calldata terms, bytes calldata signature) external;

    /// @notice Returns what is held once the time has run out. Anyone.
    function expire(bytes32 episode) external;
}
