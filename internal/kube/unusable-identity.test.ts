import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "bun:test";
import type { Identity } from "./credentials.ts";
import { Transport } from "./transport.ts";
import { unusable } from "./unusable-identity.ts";

/** Made by `openssl req -x509 -newkey ec`; its private key is thrown away. */
const CERTIFICATE = `
-----BEGIN CERTIFICATE-----
MIIBbTCCAROgAwIBAgIUWbluWoF7hGDRMuFx6MtXLaJViM0wCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBeDAeFw0yNjExMzAwMjQ2NDJaFw0zNjExMjcwMjQ2NDJaMAwx
CjAIBgNVBAMMAXgwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARl/BKiyEfiCT8o
uGSC5dnqYXll5IylyOcLmqnewMzuy1FIyp+olCmXr/05hU1ZLDFZO9jjf7vimfqB
u6XaiMJEo1MwUTAdBgNVHQ4EFgQUfTnkccq/LGNKUMYRwXk1KByg8k0wHwYDVR0j
BBgwFoAUfTnkccq/LGNKUMYRwXk1KByg8k0wDwYDVR0TAQH/BAUwAwEB/zAKBggq
hkjOPQQDAgNIADBFAiEAocJaDBetmHQpcXAY1EzU5p5uxZfSFLVrxcGkGdS1qdsC
IGm9eGQNMNWt9wcHIXv1vvhqgLozs67Q2pOtZhrGnlFu
-----END CERTIFICATE-----
`;
const { privateKey: KEY } = generateKeyPairSync("ec", {
  namedCurve: "P-256",
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});
const SECRET = "s3cret";

const CASES: [string, Identity, string | undefined][] = [
  ["nothing", { headers: {}, tls: {} }, undefined],
  ["a certificate authority, and a token", identity("t", { ca: CERTIFICATE }), undefined],
  ["a key alone", identity("t", { key: KEY }), undefined],
  [
    "a text for a certificate authority",
    identity("t", { ca: SECRET }),
    "the certificate-authority is not a certificate in PEM format; correct it, or its file",
  ],
  [
    "a certificate that is cut",
    identity("t", { cert: CERTIFICATE.slice(0, 300), key: KEY }),
    "the client-certificate is not a certificate in PEM format; correct it, or its file",
  ],
  [
    "bytes for a key",
    identity("t", { cert: CERTIFICATE, key: Buffer.from([1, 2, 3]) }),
    "the client-key is not a private key without a passphrase in PEM format; correct it, or its file",
  ],
  [
    "the key of another certificate",
    identity("t", { cert: CERTIFICATE, key: KEY }),
    "the client-key is not the one of the client-certificate",
  ],
  ...["\n", "\r\n", "\0", "\u{1f511}", "\ud800"].map((character): [string, Identity, string] => [
    `a token with ${JSON.stringify(character)} in it`,
    identity(`${SECRET}${character}x`, {}),
    "the token has a character that no HTTP header can have, such as a line break",
  ]),
];

function identity(token: string, tls: Identity["tls"]): Identity {
  return { headers: { authorization: `Bearer ${token}` }, tls };
}

test.each(CASES)("%s", async (_, given, wrong) => {
  expect(unusable(given)).toBe(wrong as string);
  if (wrong === undefined) return;
  // It is no server's fault, and what the runtime says of it names no field.
  const credentials = { identity: async () => given, invalidate: () => undefined };
  const config = { server: "https://127.0.0.1:1", namespace: "default", source: "/home/me/config", credentials };
  const transport = new Transport({ config });
  const error = await transport.text({ method: "GET", path: "/", action: "list nodes" }).catch(String);
  expect(error).toBe(`CredentialsError: Cannot list nodes: cannot use the credentials of /home/me/config: ${wrong}`);
  transport.close();
});
