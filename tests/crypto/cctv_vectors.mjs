// Prints every vector of npm cctv-age as one JSON object: its name, then its bytes in base64.
import * as vectors from "cctv-age";

const encoded = Object.entries(vectors).map(([name, bytes]) => [name, Buffer.from(bytes).toString("base64")]);
process.stdout.write(JSON.stringify(Object.fromEntries(encoded)));
