// Writes viem.json and ethers.json beside this file: every message that the contracts take by signature, as a wallet is
// asked to sign it, with its EIP-712 digest and the signatures that each library makes. Run it with
//   node tests/vectors/signatures/make.mjs
// `--print` prints both as one JSON object and writes nothing.
//
// The messages are written out here once more, from docs/protocol and not from the Python package, so that both would
// have to be wrong in the same way. Keys are hashes of names; contracts stand where the deployer's first transactions
// put them on a chain of this id; times are counted from the first block of the tests' chain.
import {readFileSync, writeFileSync} from "node:fs";
import * as ethers from "ethers";
import * as viem from "viem";
import {privateKeyToAccount} from "viem/accounts";

const CHAIN_ID = 8437422;
const START = Date.UTC(2030, 0, 7, 9) / 1000;
const DEADLINE = START + 1800;
const DAY = 86400;
const midnight = (days) => (Math.floor(START / DAY) + days) * DAY;

// In the order of their deployment, each under the name that its domain has. Keys is made by Recovery.
const CONTRACTS = [
    ...["Consortium", "Recovery", "Records", "Grants", "Letters", "Carrier", "Batches", "ColdChain", "Prescriptions"],
    ...["Policies", "Rules", "Authorizations", "Escrow", "Benefits", "Claims", "Appeals", "Episodes", "Emergencies"],
    "Coin",
];

const DOMAIN_TYPE = [
    {name: "name", type: "string"},
    {name: "version", type: "string"},
    {name: "chainId", type: "uint256"},
    {name: "verifyingContract", type: "address"},
];

const fields = (text) => text.split(",").map((field) => ({type: field.split(" ")[0], name: field.split(" ")[1]}));

const TYPES = {
    Publish: {Publish: "address pseudonym,uint32 version,bytes32 bundle,uint32 era,uint40 deadline"},
    Rotate: {
        Rotate: "address pseudonym,uint32 version,bytes32 bundle,address publisher,uint32 nonce,uint32 era,uint40 deadline",
    },
    SetPublisher: {SetPublisher: "address pseudonym,address publisher,uint32 nonce,uint32 era,uint40 deadline"},
    RevokeEverything: {RevokeEverything: "address pseudonym,uint32 era,uint40 deadline"},
    HandOver: {
        HandOver:
            "address pseudonym,address controller,address publisher,bool keepGrants,uint32 nonce,uint32 era,uint40 deadline",
    },
    SetGuardians: {SetGuardians: "address pseudonym,bytes32 guardians,uint32 nonce,uint32 era,uint40 deadline"},
    TakeOver: {TakeOver: "address pseudonym,address controller,uint32 round,uint40 deadline"},
    Object: {Object: "address pseudonym,uint32 round,uint32 era,uint40 deadline"},
    Withdraw: {Withdraw: "address pseudonym,address guardian,uint32 round,uint40 deadline"},
    Grant: {
        Grant:
            "address pseudonym,address reader,string purpose,string[] classes,uint40 start,uint40 expiry,uint16 by," +
            "uint32 nonce,uint32 era,uint40 deadline",
    },
    Narrow: {
        Narrow:
            "address pseudonym,address reader,string purpose,string[] classes,uint40 expiry," +
            "uint32 nonce,uint32 era,uint40 deadline",
    },
    Revoke: {Revoke: "address pseudonym,address reader,string purpose,uint32 nonce,uint32 era,uint40 deadline"},
    SetParent: {
        SetParent:
            "address pseudonym,uint16 by,address holder,uint40 expiry,uint32 generation,uint32 era,uint40 deadline",
    },
    Appoint: {
        Appoint:
            "address pseudonym,uint16 by,address holder,string[] purposes,string[] classes,uint8 threshold,uint40 expiry," +
            "uint32 generation,uint32 era,uint40 deadline",
    },
    Report: {Report: "address pseudonym,bytes32[] digests,uint32 version,uint40 before,uint32 era,uint40 deadline"},
    Reseal: {
        Reseal: "address pseudonym,Resealing[] records,uint32 version,uint40 before,uint32 era,uint40 deadline",
        Resealing: "uint32 anchoredBy,bytes32 old,bytes32 digest",
    },
    Amend: {Amend: "address pseudonym,string act,bytes32 old,bytes32 digest,uint32 era,uint40 deadline"},
    Letter: {Letter: "address from,address to,bytes32 letter,uint32 nonce,uint32 era,uint40 deadline"},
    Join: {Join: "address account,uint32 member,string[] roles,uint32 nonce,uint40 deadline"},
    Leave: {Leave: "address account,uint32 member,uint32 nonce,uint40 deadline"},
    Handoff: {
        Handoff: "bytes32 batch,uint32 node,address by,uint32 to,uint32 moves,bytes32 sheet,uint40 deadline",
    },
    Readings: {
        Readings: "address logger,bytes32 root,bytes32 readings,uint256 verdict,Goods[] goods",
        Goods: "bytes32 batch,uint32 node",
    },
    Prescribe: {
        Prescribe: "address prescriber,address bearer,Line[] lines,bytes32 file,uint40 deadline",
        Line: "bytes32 item,uint16 quantity,uint8 refills,uint16 interval,uint40 earliest,uint40 latest",
    },
    Take: {Take: "bytes32 prescription,uint32 lines,uint32 from,uint32 to,uint32 nonce,uint40 deadline"},
    Cancel: {Cancel: "bytes32 prescription,uint32 lines,uint32 nonce,uint40 deadline"},
    Enrol: {
        Enrol:
            "address pseudonym,bytes32 plan,uint96 family,uint16 first,uint16 last,uint40 ends,uint64 lifetime," +
            "address underwriter,uint32 era,uint40 deadline",
    },
    EndPolicy: {EndPolicy: "address pseudonym,bytes32 plan,uint32 era,uint40 deadline"},
    Claim: {
        Claim:
            "address pseudonym,bytes32 plan,uint32 provider,bytes32 evidence,bytes32 primary,Line[] lines,bytes32 salt," +
            "uint32 era,uint40 deadline",
        Line: "bytes32 service,uint16 day,uint16 units,uint64 charged,bytes32 authorization",
    },
    Appeal: {Appeal: "address pseudonym,bytes32 claim,bytes32 document,uint32 era,uint40 deadline"},
    Ruling: {Ruling: "bytes32 claim,bytes32 openings,bool forInsurer,address arbiter,uint40 deadline"},
    Agreement: {
        Agreement:
            "bytes32 plan,address pseudonym,uint32 provider,address signer,uint32 assessor,uint64 price,uint64 withheld," +
            "uint40 ends,bytes32 document,uint32 era,uint40 deadline",
    },
    Outcome: {Outcome: "bytes32 episode,bytes32 observation,uint16 achieved,address assessor,uint40 deadline"},
    Review: {
        Review: "address pseudonym,uint64 number,string verdict,uint40 barredUntil,uint32 era,uint40 deadline",
    },
};

const NONE = "0x" + "00".repeat(32);

/** The messages by name: the contract, what is signed, and whose keys sign. */
function messages(address, digest, deployed, {pair, hashed, struct, encoded}) {
    const pseudonym = address("patient");
    const fresh = {era: 0, deadline: DEADLINE};
    const publication = {pseudonym, version: 2, bundle: digest("bundle 2"), ...fresh};
    const publisher = address("doctor");
    const handOver = {pseudonym, controller: address("new wallet"), publisher, nonce: 1, ...fresh};
    const both = ["patient", "new wallet"];
    const maker = "0x" + "3".padStart(64, "0");
    const batch = pair(maker, digest("root of a batch"));
    // A day's readings, between 2 and 8 degrees but for 61 minutes, 5.12 on average.
    const bits = [
        [START - DAY, 0],
        [START, 40],
        [200, 80],
        [800, 96],
        [61, 112],
        [512, 144],
    ];
    const verdict = bits.reduce((sum, [value, at]) => sum | (BigInt(value) << BigInt(at)), 0n);
    // Two lines: one that is given once, and one that is given again every four weeks.
    const prescribed = (what) => {
        const times = {earliest: START, latest: midnight(90)};
        const lines = [
            {item: digest(`${what}, antibiotic`), quantity: 20, refills: 0, interval: 0, ...times},
            {item: digest(`${what}, insulin`), quantity: 5, refills: 2, interval: 28, ...times},
        ];
        return {prescriber: address("prescriber"), bearer: address("bearer"), lines, file: digest(`${what}, sealed`)};
    };
    // A prescription's number is the hash of its terms, in which the hash of the lines stands for them.
    const number = ({prescriber, bearer, lines, file}) => {
        const hashes = lines.map((line) => struct("Line", {Line: fields(TYPES.Prescribe.Line)}, line));
        return encoded(["address", "address", "bytes32", "bytes32"], [prescriber, bearer, pair(...hashes), file]);
    };
    const structOf = (name, value) =>
        struct(
            name,
            Object.fromEntries(Object.entries(TYPES[name]).map(([type, text]) => [type, fields(text)])),
            value,
        );

    // A plan's number is the hash of its terms. Its schedule has two rows, and a row's leaf is hashed twice.
    const [cent, service, medicine, unlimited] = [
        10000,
        digest("service"),
        digest("medicine"),
        (2n ** 64n - 1n).toString(),
    ];
    const row = (name, kind) => [name, NONE, kind, 50 * cent, 0, 2000, false, false, false, 0, 0, 0, 0];
    const rowTypes = "bytes32 bytes32 uint8 uint64 uint64 uint16 bool bool bool uint16 uint16 uint16 uint8".split(" ");
    const leaves = [hashed(encoded(rowTypes, row(service, 0))), hashed(encoded(rowTypes, row(medicine, 3)))];
    const schedule = viem.keccak256(viem.concat(leaves.sort()));
    const planTypes =
        "address uint32 uint16 uint16 uint16 uint16 address uint32 uint16 uint16 address uint64 bytes32 bytes32".split(
            " ",
        );
    const plan = (what) => {
        const parties = [deployed("Claims"), 6, 0, 0, 90, 30, deployed("Coin"), 7, 30, 30, deployed("Appeals")];
        const terms = [...parties, 0, schedule, digest(what), ...Array(7).fill(unlimited)];
        return encoded([...planTypes, ...Array(7).fill("uint64")], terms);
    };
    const enrol = {
        pseudonym,
        plan: plan("new cover"),
        family: Number("0x" + pseudonym.slice(-8)),
        first: 1,
        last: 365,
        ends: midnight(365),
        lifetime: 0,
        underwriter: address("underwriter"),
        ...fresh,
    };
    const sold = {service: medicine, day: 0, units: 2, charged: 100 * cent, authorization: NONE};
    const claim = (what, day, changes = {}) => ({
        pseudonym,
        plan: plan("cover"),
        provider: 1,
        evidence: digest(`encounter, ${what}`),
        primary: NONE,
        lines: [{service, day, units: 2, charged: 100 * cent, authorization: NONE}],
        salt: digest(`salt, ${what}`),
        ...fresh,
        ...changes,
    });
    const claimNumber = (claimed) => pair(claimed.plan, structOf("Claim", claimed));
    const filled = encoded(["bytes32", "uint8"], [number(prescribed("dispensed")), 0]);
    const agreement = (what) => ({
        plan: plan("cover"),
        pseudonym,
        provider: 1,
        signer: address("therapist"),
        assessor: 2,
        price: 500 * cent,
        withheld: 200 * cent,
        ends: midnight(200),
        document: digest(`agreement, ${what}`),
        ...fresh,
    });

    // Guardians are counted by their addresses, from the lowest on.
    const guardians = ["packer", "prescriber", "therapist", "underwriter"].sort((one, other) =>
        BigInt(address(one)) < BigInt(address(other)) ? -1 : 1,
    );
    const bearers = {pseudonym: address("bearer"), round: 1, deadline: DEADLINE};
    const joiners = {...bearers, pseudonym: address("newcomer"), controller: address("new wallet")};

    return {
        Publish: ["Keys", publication, ["patient"]],
        "Publish by the publisher": ["Keys", publication, ["publisher"]],
        Rotate: ["Keys", {...publication, publisher, nonce: 1}, ["patient"]],
        SetPublisher: ["Keys", {pseudonym, publisher, nonce: 1, ...fresh}, ["patient"]],
        RevokeEverything: ["Keys", {pseudonym, ...fresh}, ["patient"]],
        HandOver: ["Keys", {...handOver, keepGrants: false}, both],
        "HandOver keeping the grants": ["Keys", {...handOver, keepGrants: true}, both],
        Grant: [
            "Grants",
            {
                pseudonym,
                reader: address("daughter"),
                purpose: "family requested",
                classes: ["conditions", "laboratory", "imaging"],
                start: midnight(1),
                expiry: midnight(60),
                by: 0,
                nonce: 0,
                ...fresh,
            },
            ["patient"],
        ],
        Narrow: [
            "Grants",
            {
                pseudonym,
                reader: address("doctor"),
                purpose: "treatment",
                classes: ["laboratory"],
                expiry: midnight(10),
                nonce: 1,
                ...fresh,
            },
            ["patient"],
        ],
        Revoke: [
            "Grants",
            {pseudonym, reader: address("doctor"), purpose: "treatment", nonce: 1, ...fresh},
            ["patient"],
        ],
        SetParent: [
            "Grants",
            {pseudonym, by: 3, holder: address("daughter"), expiry: midnight(60), generation: 0, ...fresh},
            ["patient"],
        ],
        Appoint: [
            "Delegations",
            {
                pseudonym,
                by: 6,
                holder: address("daughter"),
                purposes: ["treatment", "family requested"],
                classes: ["laboratory", "imaging"],
                threshold: 0,
                expiry: midnight(60),
                generation: 0,
                ...fresh,
            },
            ["patient"],
        ],
        "Grant by a delegate": [
            "Delegations",
            {
                pseudonym,
                reader: address("new wallet"),
                purpose: "treatment",
                classes: ["laboratory"],
                start: 0,
                expiry: midnight(60),
                by: 5,
                nonce: 0,
                ...fresh,
            },
            ["delegate"],
        ],
        "Narrow by a delegate": [
            "Delegations",
            {
                pseudonym,
                reader: address("publisher"),
                purpose: "family requested",
                classes: ["laboratory"],
                expiry: midnight(10),
                nonce: 1,
                ...fresh,
            },
            ["delegate"],
        ],
        "Revoke by a delegate": [
            "Delegations",
            {pseudonym, reader: address("publisher"), purpose: "family requested", nonce: 1, ...fresh},
            ["delegate"],
        ],
        Report: [
            "Records",
            {
                pseudonym,
                digests: [digest("diary, Monday"), digest("diary, Tuesday")],
                version: 1,
                before: midnight(1),
                ...fresh,
            },
            ["patient"],
        ],
        Reseal: [
            "Records",
            {
                pseudonym,
                records: [{anchoredBy: 1, old: digest("record"), digest: digest("record, sealed anew")}],
                version: 1,
                before: midnight(1),
                ...fresh,
            },
            ["patient"],
        ],
        Amend: [
            "Records",
            {pseudonym, act: "correct", old: digest("own record"), digest: digest("newer own record"), ...fresh},
            ["patient"],
        ],
        Letter: [
            "Letters",
            {from: pseudonym, to: address("doctor"), letter: digest("letter"), nonce: 0, ...fresh},
            ["patient"],
        ],
        Join: [
            "Consortium",
            {
                account: address("newcomer"),
                member: 1,
                roles: ["prescriber", "laboratory"],
                nonce: 0,
                deadline: DEADLINE,
            },
            ["newcomer"],
        ],
        Leave: ["Consortium", {account: address("nurse"), member: 1, nonce: 1, deadline: DEADLINE}, ["nurse"]],
        Handoff: [
            "Batches",
            {
                batch,
                node: 2 ** 14,
                by: address("packer"),
                to: 4,
                moves: 0,
                sheet: digest("sheet"),
                deadline: DEADLINE,
            },
            ["packer"],
        ],
        Readings: [
            "ColdChain",
            {
                logger: address("logger"),
                root: digest("root of readings"),
                readings: digest("sealed readings"),
                verdict: verdict.toString(),
                goods: [{batch, node: 2 ** 14 + 1}],
            },
            ["logger"],
        ],
        Prescribe: ["Prescriptions", {...prescribed("new"), deadline: DEADLINE}, ["prescriber"]],
        Take: [
            "Prescriptions",
            {prescription: number(prescribed("taken")), lines: 3, from: 0, to: 5, nonce: 0, deadline: DEADLINE},
            ["bearer"],
        ],
        Cancel: [
            "Prescriptions",
            {prescription: number(prescribed("cancelled")), lines: 3, nonce: 0, deadline: DEADLINE},
            ["bearer"],
        ],
        SetGuardians: ["Recovery", {pseudonym, guardians: digest("other guardians"), nonce: 0, ...fresh}, ["patient"]],
        TakeOver: ["Recovery", joiners, [guardians[0], guardians[1], "new wallet"]],
        "TakeOver confirmed": ["Recovery", {...bearers, controller: address("nurse")}, [guardians[2]]],
        Object: ["Recovery", {...bearers, era: 0}, ["bearer"]],
        Withdraw: ["Recovery", {...bearers, guardian: address(guardians[0])}, [guardians[0]]],
        Enrol: ["Policies", enrol, ["underwriter", "patient"]],
        EndPolicy: ["Policies", {pseudonym, plan: plan("ending cover"), ...fresh}, ["patient"]],
        Claim: ["Claims", claim("new", 10), ["patient"]],
        "Claim for goods": ["Claims", claim("goods", 0, {provider: 5, evidence: filled, lines: [sold]}), ["patient"]],
        "Claim to a second payer": [
            "Claims",
            claim("coordinated", 11, {plan: plan("second cover"), primary: claimNumber(claim("coordinated", 11))}),
            ["patient"],
        ],
        "Claim in another's place": [
            "Claims",
            claim("adjusted", 12, {
                lines: [{service, day: 12, units: 4, charged: 200 * cent, authorization: NONE}],
            }),
            ["patient"],
        ],
        Appeal: [
            "Appeals",
            {pseudonym, claim: claimNumber(claim("appealed", 13)), document: digest("reasons"), ...fresh},
            ["patient"],
        ],
        Ruling: [
            "Appeals",
            {
                claim: claimNumber(claim("refuted", 14)),
                openings: digest("openings"),
                forInsurer: false,
                arbiter: address("arbiter"),
                deadline: DEADLINE,
            },
            ["arbiter"],
        ],
        Agreement: ["Episodes", agreement("new"), ["therapist", "patient"]],
        Outcome: [
            "Episodes",
            {
                episode: structOf("Agreement", agreement("delivered")),
                observation: digest("observation"),
                achieved: 7500,
                assessor: address("assessor"),
                deadline: DEADLINE,
            },
            ["assessor"],
        ],
        Review: [
            "Emergencies",
            {pseudonym, number: 1, verdict: "sanctioned", barredUntil: midnight(20), ...fresh},
            ["patient"],
        ],
    };
}

/**
 * What each library is asked for: the hash of a text, of digests side by side, of a digest, of a struct, and of values
 * as the chain encodes them; a key's address, where a deployment goes, a digest, a signature.
 */
const LIBRARIES = {
    viem: {
        hash: (text) => viem.keccak256(viem.toBytes(text)),
        pair: (...digests) => viem.keccak256(viem.concat(digests)),
        hashed: (digest) => viem.keccak256(digest),
        struct: (primaryType, types, data) => viem.hashStruct({primaryType, types, data}),
        encoded: (types, values) =>
            viem.keccak256(
                viem.encodeAbiParameters(
                    types.map((type) => ({type})),
                    values,
                ),
            ),
        address: (key) => privateKeyToAccount(key).address,
        deployed: (from, nonce) => viem.getContractAddress({from, nonce: BigInt(nonce)}),
        digest: (typed) => viem.hashTypedData(typed),
        sign: (key, typed) => privateKeyToAccount(key).signTypedData(typed),
    },
    ethers: {
        hash: (text) => ethers.keccak256(ethers.toUtf8Bytes(text)),
        pair: (...digests) => ethers.keccak256(ethers.concat(digests)),
        hashed: (digest) => ethers.keccak256(digest),
        struct: (name, types, value) => ethers.TypedDataEncoder.hashStruct(name, types, value),
        encoded: (types, values) => ethers.keccak256(ethers.AbiCoder.defaultAbiCoder().encode(types, values)),
        address: (key) => new ethers.Wallet(key).address,
        deployed: (from, nonce) => ethers.getCreateAddress({from, nonce}),
        digest: ({domain, types, message}) => ethers.TypedDataEncoder.hash(domain, types, message),
        sign: (key, {domain, types, message}) => new ethers.Wallet(key).signTypedData(domain, types, message),
    },
};

async function vectors(library) {
    const digest = (name) => library.hash(`theriac test: ${name}`);
    const key = digest;
    const address = (name) => library.address(key(name));
    // Some are made by the constructor of another.
    const MADE_BY = { Keys: "Recovery", Delegations: "Grants" };
    const deployed = (contract) =>
        contract in MADE_BY
            ? library.deployed(deployed(MADE_BY[contract]), 1)
            : library.deployed(address("deployer"), CONTRACTS.indexOf(contract));

    const made = {};
    for (const [name, [contract, message, signers]] of Object.entries(messages(address, digest, deployed, library))) {
        const primaryType = name.split(" ")[0];
        const types = Object.fromEntries(
            Object.entries(TYPES[primaryType]).map(([type, text]) => [type, fields(text)]),
        );
        const domain = {
            name: `Theriac ${contract}`,
            version: "1",
            chainId: CHAIN_ID,
            verifyingContract: deployed(contract),
        };
        const typed = {domain, types, primaryType, message};

        const signatures = [];
        for (const signer of signers) {
            signatures.push({signer: address(signer), signature: await library.sign(key(signer), typed)});
        }
        made[name] = {
            typed: {types: {EIP712Domain: DOMAIN_TYPE, ...types}, primaryType, domain, message},
            digest: library.digest(typed),
            signatures,
        };
    }
    return made;
}

const made = {};
for (const [name, library] of Object.entries(LIBRARIES)) {
    const {version} = JSON.parse(readFileSync(new URL(`../../../node_modules/${name}/package.json`, import.meta.url)));
    made[name] = {library: name, version, messages: await vectors(library)};
}

if (process.argv.includes("--print")) {
    process.stdout.write(JSON.stringify(made));
} else {
    for (const [name, content] of Object.entries(made)) {
        writeFileSync(new URL(`${name}.json`, import.meta.url), JSON.stringify(content, null, 2) + "\n");
    }
}
