import { sign } from "node:crypto";
import type { SigningKey } from "./minisign.ts";

/** What is known of how a release came to be. */
export interface ReleaseFacts {
  version: string;
  /** SHA-256 of the files by their names. */
  files: ReadonlyMap<string, string>;
  /** Of git. */
  commit: string;
  /** SHA-256 of bun.lock, which has the digests of all packages. */
  lock: string;
  /** Version and SHA-256 of the Bun that bundles. */
  bun: { version: string; sha256: string };
  /** SHA-256 of the programs that the code is put into, by their package URLs. */
  baseExecutables: ReadonlyMap<string, string>;
  /** What was asked for, beside the version: it is in the files. */
  parameters: Readonly<Record<string, unknown>>;
  /** RFC 3339. */
  date: string;
  /** SHA-256 by which registries know the images, by their names. */
  images: ReadonlyMap<string, string>;
  /** Debian's packages in the images, by their package URLs. */
  packages: ReadonlyMap<string, string>;
}

const PAYLOAD_TYPE = "application/vnd.in-toto+json";

/** An in-toto statement with SLSA provenance (https://slsa.dev/spec/v1.0/provenance): which files, made of what, and how. */
export function provenance({ version, files, images, ...facts }: ReleaseFacts): object {
  const { commit, lock, bun, baseExecutables, parameters, date, packages } = facts;
  return {
    _type: "https://in-toto.io/Statement/v1",
    subject: [...files, ...images].map(([name, sha256]) => ({ name, digest: { sha256 } })),
    predicateType: "https://slsa.dev/provenance/v1",
    predicate: {
      buildDefinition: {
        buildType: "onloadctl:scripts/release",
        externalParameters: { version, ...parameters },
        internalParameters: { SOURCE_DATE_EPOCH: date },
        resolvedDependencies: [
          { name: "source", digest: { gitCommit: commit } },
          { name: "bun.lock", digest: { sha256: lock } },
          { name: "bun", uri: `pkg:npm/bun@${bun.version}`, digest: { sha256: bun.sha256 } },
          ...[...baseExecutables, ...packages].map(([uri, sha256]) => ({ uri, digest: { sha256 } })),
        ],
      },
      runDetails: { builder: { id: "onloadctl:scripts/release" } },
    },
  };
}

/** A signed statement, as DSSE has it (https://github.com/secure-systems-lab/dsse): what is signed has its type and lengths in it. */
export function envelope(statement: object, { key, id }: SigningKey): object {
  const payload = Buffer.from(JSON.stringify(statement));
  const signed = Buffer.concat([
    Buffer.from(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `),
    payload,
  ]);
  return {
    payloadType: PAYLOAD_TYPE,
    payload: payload.toString("base64"),
    signatures: [{ keyid: id.toString("hex"), sig: sign(null, signed, key).toString("base64") }],
  };
}
