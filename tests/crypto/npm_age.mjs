// Does with npm age-encryption what a JSON list on standard input asks for, and prints the answers as a JSON list.
// Bytes travel in base64. A job is one of
//   {do: "generate", kind: "hybrid" | "x25519"}   answers {identity, recipient}
//   {do: "recipient", identity}                   answers the recipient
//   {do: "seal", to: [recipient...], plain}       answers the file
//   {do: "open", identity, sealed}                answers the plaintext
import { Decrypter, Encrypter, generateHybridIdentity, generateX25519Identity, identityToRecipient } from "age-encryption";

async function answer(job) {
  if (job.do === "generate") {
    const identity = await (job.kind === "hybrid" ? generateHybridIdentity() : generateX25519Identity());
    return { identity, recipient: await identityToRecipient(identity) };
  }
  if (job.do === "recipient") return identityToRecipient(job.identity);
  if (job.do === "seal") {
    const encrypter = new Encrypter();
    for (const recipient of job.to) encrypter.addRecipient(recipient);
    return Buffer.from(await encrypter.encrypt(Buffer.from(job.plain, "base64"))).toString("base64");
  }
  if (job.do === "open") {
    const decrypter = new Decrypter();
    decrypter.addIdentity(job.identity);
    return Buffer.from(await decrypter.decrypt(Buffer.from(job.sealed, "base64"))).toString("base64");
  }
  throw new Error(`no such job: ${job.do}`);
}

let input = "";
for await (const piece of process.stdin) input += piece;
const answers = [];
for (const job of JSON.parse(input)) answers.push(await answer(job));
process.stdout.write(JSON.stringify(answers));
