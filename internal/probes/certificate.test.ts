import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTcp } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { CertificateAuthority } from "../testcluster/pki.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { certificateOf } from "./certificate.ts";
import { selfSigned } from "./self-signed.ts";
import { ProbeServer, type ServerOptions } from "./server.ts";

let folder: string;
let server: ProbeServer | undefined;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "onload-certificate-"))));
afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(folder, { recursive: true });
});

const REQUEST = "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n";

async function serve(options: ServerOptions): Promise<ProbeServer> {
  server = await ProbeServer.listen({ host: "127.0.0.1", port: 0 }, { "/metrics": () => "x".repeat(100_000) }, options);
  return server;
}

function dial(port: number): TLSSocket {
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
  socket.on("error", () => undefined);
  return socket;
}

/** Name in the server's certificate, and the whole answer. */
async function get(port: number): Promise<{ name: string; answer: string; protocol: string | null }> {
  const socket = dial(port);
  let answer = "";
  socket.on("data", (chunk: Buffer) => void (answer += chunk.toString("latin1")));
  await new Promise((resolve) => socket.on("secureConnect", resolve));
  const name = String(socket.getPeerCertificate().subject.CN);
  const protocol = socket.getProtocol();
  socket.write(REQUEST);
  await new Promise((resolve) => socket.on("close", resolve));
  return { name, answer, protocol };
}

async function issue(authority: CertificateAuthority, name: string): Promise<void> {
  const { certPath, keyPath } = await authority.issue(name, { name, hosts: ["127.0.0.1"] });
  cpSync(certPath, join(folder, "tls.crt"));
  cpSync(keyPath, join(folder, "tls.key"));
}

test("a certificate of its own is good for TLS, and the whole answer comes through it", async () => {
  const { port } = await serve({ secureContext: await selfSigned("onload-operator") });
  const { name, answer, protocol } = await get(port);
  expect(name).toBe("onload-operator");
  expect(protocol).toBe("TLSv1.3");
  expect(answer).toStartWith("HTTP/1.1 200 OK\r\n");
  expect(answer).toEndWith(`\r\n\r\n${"x".repeat(100_000)}`);
});

describe("a certificate of a folder", () => {
  let authority: CertificateAuthority;
  beforeEach(async () => {
    authority = new CertificateAuthority(mkdtempSync(join(folder, "ca-")));
    await authority.create();
  });

  test("is taken anew when it is renewed, and the former one stays if that cannot be used", async () => {
    let now = 0;
    const errors: string[] = [];
    await issue(authority, "first");
    const { port } = await serve({
      secureContext: certificateOf(
        folder,
        (error) => errors.push(String(error)),
        () => now,
      ),
    });
    expect((await get(port)).name).toBe("first");
    await issue(authority, "second");
    expect((await get(port)).name).toBe("first");
    now += 60_000;
    expect((await get(port)).name).toBe("second");
    writeFileSync(join(folder, "tls.key"), "half a k");
    now += 60_000;
    expect((await get(port)).name).toBe("second");
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(`Cannot use the certificate in ${folder}: `);
  });

  test("that is not there, or far too large, ends the start with what is needed", async () => {
    const never = (): never => expect.unreachable();
    expect(() => certificateOf(folder, never)).toThrow("it needs tls.crt and tls.key in PEM");
    await issue(authority, "good");
    writeFileSync(join(folder, "tls.crt"), "x".repeat(1_000_001));
    expect(() => certificateOf(folder, never)).toThrow("tls.crt cannot be read: it has more than 1000000 bytes");
  });
});

describe("connections that never become secure", () => {
  test("are counted and cut off like others", async () => {
    const tls = await serve({ secureContext: await selfSigned("a"), maxConnections: 5, connectionMs: 2000 });
    const silent = Array.from({ length: 50 }, () => connectTcp({ host: "127.0.0.1", port: tls.port }));
    for (const socket of silent) socket.on("error", () => undefined);
    let closed = 0;
    for (const socket of silent) socket.on("close", () => closed++);
    await poll(() => closed >= 45, { what: "The end of connections over the limit" });
    expect((await get(tls.port)).answer).toStartWith("HTTP/1.1 200 OK");
    await poll(() => tls.connections === 0, { what: "The end of connections without a handshake" });
  });

  test("because they speak plain HTTP, or nonsense, end", async () => {
    const tls = await serve({ secureContext: await selfSigned("a"), connectionMs: 60_000 });
    for (const text of [REQUEST, "\x16\x03\x01\x02\x00nonsense".padEnd(600, "x")]) {
      const plain = connectTcp({ host: "127.0.0.1", port: tls.port });
      plain.on("error", () => undefined);
      let received = "";
      plain.on("data", (chunk) => void (received += chunk.toString("latin1")));
      plain.write(text, "latin1");
      await new Promise((resolve) => plain.on("close", resolve));
      expect(received).not.toContain("HTTP/1.1 200");
    }
    await poll(() => tls.connections === 0, { what: "The end of the connections" });
  });
});
