/** Reads a .zip, as far as packages need it. */

import { inflateRawSync } from "node:zlib";

/** One file of it. */
export interface Entry {
  name: string;
  /** As on Unix. */
  mode: number;
  content: Buffer;
}

const END = 0x06054b50;
const END_BYTES = 22;
const HEAD_BYTES = 46;
const LOCAL_BYTES = 30;
const STORED = 0;

/** All files, in the order of the list at its end. */
export function unzip(file: Buffer): Entry[] {
  const end = file.length - END_BYTES;
  if (file.readUInt32LE(end) !== END) {
    throw new Error("this is no .zip, or one with a comment");
  }
  let at = file.readUInt32LE(end + 16);
  return Array.from({ length: file.readUInt16LE(end + 10) }, () => {
    const [name, extra, comment] = [28, 30, 32].map((field) => file.readUInt16LE(at + field)) as [
      number,
      number,
      number,
    ];
    const local = file.readUInt32LE(at + 42);
    const start = local + LOCAL_BYTES + file.readUInt16LE(local + 26) + file.readUInt16LE(local + 28);
    const packed = file.subarray(start, start + file.readUInt32LE(at + 20));
    const entry = {
      name: file.toString("utf8", at + HEAD_BYTES, at + HEAD_BYTES + name),
      mode: file.readUInt32LE(at + 38) >>> 16,
      content: file.readUInt16LE(at + 10) === STORED ? packed : inflateRawSync(packed),
    };
    at += HEAD_BYTES + name + extra + comment;
    return entry;
  });
}
