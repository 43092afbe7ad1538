// Writes expected.json: roots and proofs as OpenZeppelin's own library makes them, for rows that are made up here.
//
//     cd "$(mktemp -d)" && npm install --ignore-scripts @openzeppelin/merkle-tree@1.0.8
//     cp <this folder>/make.mjs . && node make.mjs > <this folder>/expected.json

import { StandardMerkleTree } from "@openzeppelin/merkle-tree";

const TYPES = [
  "bytes32", "bytes32", "uint8", "uint64", "uint64", "uint16", "bool", "bool", "bool", "uint16", "uint16", "uint16",
  "uint8",
];

const word = (number) => "0x" + number.toString(16).padStart(64, "0");

const row = (i) => [
  word(i * 7919 + 1), word(i % 3), i % 3, String(12_500_000 * i), String(100 * i), (i * 333) % 10001, i % 2 === 0,
  i % 5 === 0, i % 7 === 0, i * 3, i % 4, i % 6, i % 9,
];

const trees = [1, 2, 3, 5, 8, 33].map((count) => {
  const rows = Array.from({ length: count }, (_, i) => row(i));
  const tree = StandardMerkleTree.of(rows, TYPES);
  return { root: tree.root, rows, proofs: rows.map((each) => tree.getProof(each)) };
});

console.log(JSON.stringify({ library: "@openzeppelin/merkle-tree", version: "1.0.8", trees }, null, 1));
