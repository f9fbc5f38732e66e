/** The provider is a real TLS server; that kubectl gets the same from it is seen in kubeconfig.cluster.test.ts. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CertificateAuthority } from "../testcluster/pki.ts";
import { oidcTokens } from "./oidc.ts";
import { startIssuer, webToken, type TestIssuer } from "./testing/issuer.ts";

const NOW = Date.UTC(2026, 0, 1);
const inSeconds = (seconds: number): number => NOW / 1000 + seconds;

let folder: string;
let issuer: TestIssuer;
let ca: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "onload-oidc-"));
  const authority = new CertificateAuthority(folder);
  await authority.create();
  const { certPath, keyPath } = await authority.issue("idp", { name: "idp", hosts: ["localhost", "127.0.0.1"] });
  issuer = await startIssuer({ cert: readFileSync(certPath, "utf8"), key: readFileSync(keyPath, "utf8") });
  ca = readFileSync(authority.certPath).toString("base64");
});
afterAll(async () => {
  await issuer[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});
beforeEach(() => issuer.reset());

const tokens = (more: Record<string, string>) =>
  oidcTokens(
    {
      "idp-issuer-url": issuer.url,
      "client-id": "kubectl/x",
      "client-secret": "s3cr:t",
      "idp-certificate-authority-data": ca,
      ...more,
    },
    async (_file, data) => (data ? Buffer.from(data, "base64") : undefined),
    () => NOW,
  );

test("a token that is valid for more than ten seconds is taken as it is", async () => {
  const valid = webToken(inSeconds(11));
  expect(await tokens({ "id-token": valid })(false)).toBe(valid);
  expect(issuer.asked).toEqual([]);
});

describe("one that expires, has expired, was refused or is not there is got anew", () => {
  test.each([
    ["expires", { "id-token": webToken(inSeconds(10)) }, false],
    ["has no end", { "id-token": webToken(undefined) }, false],
    ["was refused", { "id-token": webToken(inSeconds(1000)) }, true],
    ["is not there", {}, false],
  ])("%s", async (_, config, refused) => {
    issuer.token = webToken(inSeconds(1000));
    const get = tokens({ ...config, "refresh-token": "r1" });
    expect(await get(refused)).toBe(issuer.token);
    expect(issuer.asked).toEqual(["GET /.well-known/openid-configuration", "POST /token refresh_token=r1 header"]);
    // It is held, and the next refresh-token is the one that came with it.
    expect(await get(false)).toBe(issuer.token);
    expect(await get(true)).toBe(issuer.token);
    expect(issuer.asked.slice(2)).toEqual([
      "GET /.well-known/openid-configuration",
      "POST /token refresh_token=r1-next header",
    ]);
  });
});

test("a provider that takes the client's login in the body only is asked so", async () => {
  issuer.login = "body";
  issuer.token = webToken(inSeconds(1000));
  expect(await tokens({ "refresh-token": "r1" })(false)).toBe(issuer.token);
  expect(issuer.asked.at(-1)).toBe("POST /token refresh_token=r1 body");
});

describe("why there is no token is said, without a secret", () => {
  const rows: Record<string, [Record<string, string>, string, (() => void)?]> = {
    "no refresh-token": [
      { "id-token": webToken(inSeconds(0)) },
      "its id-token is not valid, and there is no refresh-token",
    ],
    "no token at all": [{}, "its id-token is not valid, and there is no refresh-token"],
    "no web token": [{ "id-token": "SECRET" }, "its id-token is not a JSON web token"],
    "a web token of no JSON": [{ "id-token": "SECRET.SECRET.SECRET" }, "its id-token is not a JSON web token"],
    "no TLS": [{ "refresh-token": "SECRET", "idp-issuer-url": "http://127.0.0.1" }, "does not begin with https://"],
    "no address": [{ "refresh-token": "SECRET", "idp-issuer-url": "" }, "does not begin with https://"],
    "a certificate that nobody knows": [
      { "refresh-token": "SECRET", "idp-certificate-authority-data": "" },
      "cannot be asked: ",
    ],
    "a refusal": [
      { "refresh-token": "SECRET" },
      "its provider answers 400 to the refresh-token",
      () => (issuer.login = "none"),
    ],
    "an answer without a token": [{ "refresh-token": "SECRET" }, "its provider gives no id_token"],
    "a page": [
      { "refresh-token": "SECRET" },
      "its provider answers 200 and no token_endpoint",
      () => (issuer.page = "<html>SECRET"),
    ],
    "an answer without end": [
      { "refresh-token": "SECRET" },
      "it answers with more than 1048576 bytes",
      () => (issuer.page = "x".repeat(2_000_000)),
    ],
  };
  test.each(Object.entries(rows))("%s", async (_, [config, reason, before]) => {
    before?.();
    let message = "";
    await tokens(config)(false).catch((error: Error) => (message = error.message));
    expect(message).toStartWith("auth provider oidc failed: ");
    expect(message).toContain(reason);
    expect(message).toEndWith("log in again, so that the kubeconfig has a fresh id-token");
    expect(message).not.toContain("SECRET");
    expect(message).not.toContain("s3cr");
  });
});
