import { join } from "node:path";
import { run } from "./lib/command.ts";

/** A certificate and its key, as PEM files. */
export interface KeyPair {
  readonly certPath: string;
  readonly keyPath: string;
}

/** Who a certificate speaks for. */
export interface Subject {
  /** User name (the common name). */
  readonly name: string;
  /** Groups (organisations). */
  readonly groups?: readonly string[];
  /** Host names and addresses of a serving certificate. */
  readonly hosts?: readonly string[];
}

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "365"];

/** The certificate authority of one cluster, in a folder of its own: ca.crt, ca.key, and what it issued. */
export class CertificateAuthority {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  get certPath(): string {
    return join(this.folder, "ca.crt");
  }

  get keyPath(): string {
    return join(this.folder, "ca.key");
  }

  /** Makes the authority's own key and certificate. */
  async create(): Promise<void> {
    await run([
      "openssl",
      "req",
      "-x509",
      ...newKey,
      "-subj",
      "/CN=onloadctl-test-ca",
      "-addext",
      "keyUsage=critical,keyCertSign,cRLSign,digitalSignature",
      "-keyout",
      this.keyPath,
      "-out",
      this.certPath,
    ]);
  }

  /** Issues a certificate for a client, or for a server if the subject has hosts; files are named FILE.crt and FILE.key. */
  async issue(file: string, subject: Subject): Promise<KeyPair> {
    const pair = { certPath: join(this.folder, `${file}.crt`), keyPath: join(this.folder, `${file}.key`) };
    const groups = (subject.groups ?? []).map((group) => `/O=${escapeName(group)}`).join("");
    const hosts = subject.hosts ?? [];
    const names = hosts.map((host) => (/^[0-9.]+$/.test(host) ? `IP:${host}` : `DNS:${host}`)).join(",");
    await run([
      "openssl",
      "req",
      "-x509",
      ...newKey,
      "-CA",
      this.certPath,
      "-CAkey",
      this.keyPath,
      "-subj",
      `${groups}/CN=${escapeName(subject.name)}`,
      "-addext",
      "basicConstraints=critical,CA:FALSE",
      "-addext",
      "keyUsage=critical,digitalSignature",
      "-addext",
      `extendedKeyUsage=clientAuth${hosts.length > 0 ? ",serverAuth" : ""}`,
      ...(hosts.length > 0 ? ["-addext", `subjectAltName=${names}`] : []),
      "-keyout",
      pair.keyPath,
      "-out",
      pair.certPath,
    ]);
    return pair;
  }
}

/** Makes a key pair without a certificate, for signing service account tokens. */
export async function createSigningKey(keyPath: string, publicPath: string): Promise<void> {
  await run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", keyPath]);
  await run(["openssl", "pkey", "-in", keyPath, "-pubout", "-out", publicPath]);
}

function escapeName(name: string): string {
  return name.replaceAll("\\", "\\\\").replaceAll("/", "\\/").replaceAll("+", "\\+");
}
