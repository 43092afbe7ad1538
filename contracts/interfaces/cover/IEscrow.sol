// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title IEscrow
/// @notice The money that insurers have put aside for their plans, and what providers have coming to them.
/// @dev A plan's money is moved by the plan's adjudicator alone, and an adjudicator takes no more back from a provider than
/// the provider has got under that plan. All is in the plan's token; amounts are its smallest unit.
interface IEscrow {
    /// @notice Where a member wants its money; one slot.
    /// @param payee The account; zero for the account that acts for the member.
    /// @param push Whether it is sent at once; else it is credited, and the payee withdraws it.
    /// @param answers Whether the payee agreed that what the member has to give back is taken from it; else it is taken
    /// from what the account that acts for the member has coming, and from nobody's own money.
    struct Payout {
        address payee;
        bool push;
        bool answers;
    }

    /// @notice A provider's account with a plan; one slot.
    /// @param received What it got, or has coming, and has not given back.
    /// @param disputed What it got for claims that the insurer refuted and no arbiter has ruled on.
    /// @param withheld What of that was kept back from later payments, or from what it had coming.
    /// @param owed What an arbiter said it must give back; later payments are kept for it.
    struct Account {
        uint64 received;
        uint64 disputed;
        uint64 withheld;
        uint64 owed;
    }

    /// @notice A payment of a patient's share.
    /// @param payer Who paid it.
    /// @param amount How much.
    struct SharePayment {
        address payer;
        uint64 amount;
    }

    /// @notice Money was put into a plan's escrow.
    event Deposited(bytes32 indexed plan, address indexed from, uint256 amount);

    /// @notice The insurer took money out of a plan's escrow.
    event Drained(bytes32 indexed plan, address indexed to, uint256 amount);

    /// @notice A member said where it wants its money.
    event PayoutSet(uint32 indexed member, address payee, bool push);

    /// @notice A payee agreed to answer for what a member has to give back, or does so no more.
    event Answering(uint32 indexed member, address indexed payee, bool answers);

    /// @notice A provider was paid: `amount`, of which so much was kept for a debt, and so much for a dispute.
    event Paid(bytes32 indexed plan, uint32 indexed member, uint256 amount, uint256 repaid, uint256 withheld);

    /// @notice Money was sent to an account.
    event Pushed(address indexed token, address indexed to, uint256 amount);

    /// @notice Money was credited to an account, which may withdraw it. `failed` says that sending it failed.
    event Credited(address indexed token, address indexed to, uint256 amount, bool failed);

    /// @notice An account withdrew what was credited to it.
    event Withdrawn(address indexed token, address indexed from, address to, uint256 amount);

    /// @notice A provider gave money back to a plan.
    event TakenBack(bytes32 indexed plan, uint32 indexed member, uint256 amount);

    /// @notice What was paid is disputed; so much of it was kept back from what the provider had coming.
    event Disputed(bytes32 indexed plan, uint32 indexed member, uint256 amount, uint256 withheld);

    /// @notice A dispute was concluded: so much went back to the plan, is owed still, or was given to the provider.
    event Concluded(bytes32 indexed plan, uint32 indexed member, uint256 returned, uint256 owed, uint256 released);

    /// @notice Somebody paid a patient's share.
    event SharePaid(bytes32 indexed plan, bytes32 indexed claim, address indexed payer, uint32 member, uint256 amount);

    /// @notice A share that was paid goes back to who paid it.
    event ShareRefunded(bytes32 indexed plan, bytes32 indexed claim, address indexed payer, uint256 amount);

    /// @notice Money of a plan is held by a contract that acts for its insurer.
    event Held(bytes32 indexed plan, address indexed holder, uint256 amount);

    /// @notice Money that was held went to a provider, or back to the plan where the member is zero.
    event Released(bytes32 indexed plan, address indexed holder, uint32 indexed member, uint256 amount);

    /// @notice Only the plan's adjudicator does this.
    error NotTheAdjudicator(address sender, address adjudicator);

    /// @notice Only the account that acts for the member does this.
    error NotTheMember(address sender, uint32 member);

    /// @notice Another account is the member's payee.
    error NotThePayee(address sender, address payee);

    /// @notice The member has not enough coming, and no payee of it agreed to answer for the rest.
    error NobodyAnswers(uint32 member);

    /// @notice The insurer does not let this contract hold money for it.
    error NotAnOperator(address sender, uint32 member);

    /// @notice The escrow has less.
    error EscrowShort(bytes32 plan, uint256 amount, uint256 balance);

    /// @notice The holder holds less of the plan's money.
    error HeldShort(bytes32 plan, uint256 amount, uint256 held);

    /// @notice The provider has got less under this plan that is not disputed.
    error NotReceived(bytes32 plan, uint32 member, uint256 amount, uint256 received);

    /// @notice Other than the amount arrived, or left: the token keeps something back, or takes more.
    error WrongTransfer(address token, uint256 arrived, uint256 amount);

    /// @notice The patient's share is more than the payer wants to pay.
    error ShareIsMore(uint256 share, uint256 most);

    /// @notice Nothing is there to be moved, or nobody to move it to.
    error NothingToMove();

    /// @notice Only the contract itself does this.
    error OnlySelf(address sender);

    /// @notice What a plan can pay.
    function balanceOf(bytes32 plan) external view returns (uint256);

    /// @notice What an account may withdraw of a token.
    function creditOf(address token, address account) external view returns (uint256);

    /// @notice What a contract holds of a plan's money.
    function heldBy(address holder, bytes32 plan) external view returns (uint256);

    /// @notice Where a member wants its money.
    function payoutOf(uint32 member) external view returns (Payout memory);

    /// @notice A provider's account with a plan.
    function accountOf(bytes32 plan, uint32 member) external view returns (Account memory);

    /// @notice What was paid of a claim's share, and not given back.
    function shareOf(bytes32 plan, bytes32 claim) external view returns (uint64 amount);

    /// @notice Puts money into a plan's escrow, from the sender's account. Anyone.
    function deposit(bytes32 plan, uint256 amount) external;

    /// @notice Takes money out of a plan's escrow. Only the account that acts for the insurer.
    function drain(bytes32 plan, uint256 amount, address to) external;

    /// @notice Says where the sender's member wants its money. Only the account that acts for it; where it names itself, it
    /// agrees to answer for what the member has to give back.
    function setPayout(uint32 member, address payee, bool push_) external;

    /// @notice Says whether what a member has to give back may be taken from the sender. Only the member's payee.
    function answerFor(uint32 member, bool answers) external;

    /// @notice Withdraws what was credited to the sender.
    function withdraw(address token, address to) external;

    /// @notice Pays what is due of a claim's share, from the sender's account to the provider. Anyone.
    /// @param content The claim's content; see IClaims.
    /// @param most The most that the sender wants to pay.
    function payShare(bytes32 plan, bytes32 content, uint256 most) external;

    /// @notice Pays a provider out of a plan's escrow. Only the plan's adjudicator.
    function pay(bytes32 plan, uint32 member, uint64 amount) external;

    /// @notice Takes back from a provider what it got: from what it has coming, and else from its payee where that agreed.
    /// Only the plan's adjudicator.
    function takeBack(bytes32 plan, uint32 member, uint64 amount) external;

    /// @notice Takes what was paid of a share back from the provider, and credits it to who paid it. Only the adjudicator.
    function refundShare(bytes32 plan, bytes32 claim, uint32 member) external;

    /// @notice Withholds what was paid for a refuted claim. Only the plan's adjudicator.
    function dispute(bytes32 plan, uint32 member, uint64 amount) external;

    /// @notice Ends a dispute for the insurer, or for the provider. Only the plan's adjudicator.
    function conclude(bytes32 plan, uint32 member, uint64 amount, bool forInsurer) external;

    /// @notice Holds money of a plan for what is paid by outcome. Only a contract that the insurer lets do so.
    function hold(bytes32 plan, uint64 amount) external;

    /// @notice Pays a provider, or with the member zero the plan, what the sender holds.
    function release(bytes32 plan, uint32 member, uint64 amount) external;

    /// @notice Sends money, so that a failure is one of its own. Only the contract itself.
    function push(address token, address to, uint256 amount) external;
}
