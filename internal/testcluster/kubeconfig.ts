import { writeFileSync } from "node:fs";
import type { KeyPair } from "./pki.ts";

/** Writes a kubeconfig that names the files of a user's certificate. */
export function writeKubeconfig(path: string, server: string, caPath: string, user: string, pair: KeyPair): void {
  write(path, server, caPath, user, { "client-certificate": pair.certPath, "client-key": pair.keyPath });
}

/** Writes a kubeconfig with a user's token. */
export function writeTokenKubeconfig(path: string, server: string, caPath: string, user: string, token: string): void {
  write(path, server, caPath, user, { token });
}

/** As JSON, which is YAML. */
function write(path: string, server: string, caPath: string, user: string, credentials: object): void {
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "onloadctl-test", cluster: { server, "certificate-authority": caPath } }],
    users: [{ name: user, user: credentials }],
    contexts: [{ name: "onloadctl-test", context: { cluster: "onloadctl-test", user } }],
    "current-context": "onloadctl-test",
  };
  writeFileSync(path, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
}
