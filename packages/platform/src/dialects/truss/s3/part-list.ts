// The body that completes a multipart upload: XML with part numbers and ETags.

import { SaxesParser } from "saxes";
import { s3Error } from "./s3-error.ts";

export interface ListedPart {
  /** From 1 to 10,000. */
  readonly number: number;
  /** Hex, without quotes. */
  readonly etag: string;
}

const mostParts = 10_000;
/** An element that is read: where it stands → what it says. */
const path = ["CompleteMultipartUpload", "Part"];

/** In the order of the body, which ascends. Fails with S3's errors. */
export function readPartList(text: string): readonly ListedPart[] {
  const parts: ListedPart[] = [];
  const open: string[] = [];
  let part: { number?: number; etag?: string } = {};
  let content = "";
  const parser = new SaxesParser();
  parser.on("error", () => {
    throw malformed();
  });
  parser.on("doctype", () => {
    throw malformed();
  });
  parser.on("opentag", ({ name }) => {
    open.push(name);
    if (open.length > path.length + 1) throw malformed();
    if (open.length <= path.length && name !== path[open.length - 1]) throw malformed();
    if (open.length === path.length) part = {};
    content = "";
  });
  parser.on("text", (more) => {
    content += more;
  });
  parser.on("closetag", ({ name }) => {
    open.pop();
    if (open.length === path.length && name === "PartNumber") part.number = Number(content);
    if (open.length === path.length && name === "ETag") part.etag = content.trim().replaceAll('"', "");
    if (open.length === path.length - 1) parts.push(checked(part, parts));
  });
  try {
    parser.write(text).close();
  } catch (error) {
    throw error instanceof Error && "s3Code" in error ? error : malformed();
  }
  if (parts.length === 0) throw malformed();
  return parts;
}

function checked(
  { number, etag }: { number?: number; etag?: string },
  before: readonly ListedPart[],
): ListedPart {
  if (number === undefined || etag === undefined || !Number.isInteger(number)) throw malformed();
  if (number <= (before.at(-1)?.number ?? 0) || number > mostParts || before.length >= mostParts) {
    throw s3Error("InvalidPart", "The parts must be listed in ascending order, numbered from 1 to 10,000.");
  }
  return { number, etag };
}

function malformed() {
  return s3Error("MalformedXML", "The body must be a CompleteMultipartUpload with the Parts in it.");
}
