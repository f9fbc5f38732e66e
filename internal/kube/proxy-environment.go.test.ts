import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { tool } from "../testcluster/tools/index.ts";
import { proxyFromEnvironment } from "./proxy-environment.ts";

// The Go compiler is not among what a test is timed for.
const program = await tool("go-httpproxy");

interface Question {
  url: string;
  http: string;
  https: string;
  noProxy: string;
}

/** Go's package httpproxy: the host of the proxy of each question, "" for none. */
async function go(questions: readonly Question[]): Promise<string[]> {
  const child = spawn(program, { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(questions.map((each) => `${JSON.stringify(each)}\n`).join(""));
  const lines = (await text(child.stdout)).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as string);
}

function ours({ url, http, https, noProxy }: Question): string {
  const proxy = proxyFromEnvironment(url, { HTTP_PROXY: http, HTTPS_PROXY: https, NO_PROXY: noProxy });
  return proxy === undefined ? "" : proxy.address.replace(/^\w+:\/\//, "");
}

const HOSTS = [
  "localhost",
  "127.0.0.1",
  "127.8.9.1",
  "[::1]",
  "10.1.2.3",
  "10.96.0.1",
  "192.168.1.7",
  "[fd00::1]",
].concat(
  ["[fd00:0:0:1::7]", "api.example.com", "example.com", "API.Example.com", "notexample.com", "kubernetes.default.svc"],
  ["a.b.c.example.com", "bücher.example", "localhost.example.com", "0.0.0.0", "[::ffff:10.1.2.3]"],
);
const PORTS = ["", ":443", ":6443", ":80", ":8080"];
const NAMES = [
  "*",
  "*.example.com",
  ".example.com",
  "example.com",
  "Example.COM",
  "api.example.com",
  "com",
  ".svc",
].concat(
  ["svc", ".com", "*.com", "*example.com", ".", "localhost", "10.1.2.3", "10.0.0.0/8", "10.1.2.3/32", "10.1.2.3/31"],
  [
    "0.0.0.0/0",
    "::/0",
    "fd00::/8",
    "fd00::1",
    "[fd00::1]",
    "fd00:0::1/64",
    "fd00::1/129",
    "10.0.0.0/33",
    "10.0.0.0/08",
  ],
  [
    "10.1.2",
    "010.1.2.3",
    "::ffff:10.1.2.3",
    "::ffff:10.0.0.0/104",
    "127.0.0.1",
    "",
    " ",
    "b\u00fccher.example",
    "xn--bcher-kva.example",
  ],
  [
    "192.168.0.0/16",
    "10.96.0.0/12",
    "10.96.0.0/11",
    "kubernetes.default.svc",
    "[",
    "]",
    "[]",
    "a:b:c",
    "::",
    "0.0.0.0",
  ],
);
const anEntry = fc
  .tuple(fc.constantFrom(...NAMES), fc.constantFrom("", "", "", ...PORTS, ":", ":x"), fc.constantFrom("", " ", "\t"))
  .map(([name, port, space]) => `${space}${name}${port}${space}`);
const aQuestion = fc.record({
  url: fc
    .tuple(fc.constantFrom("https://", "https://", "http://"), fc.constantFrom(...HOSTS), fc.constantFrom(...PORTS))
    .map((parts) => parts.join("")),
  http: fc.constantFrom("", "http://proxy:3128", "proxy.example.com:8080"),
  https: fc.constantFrom(
    "",
    "http://proxy:3128",
    "https://proxy:3129",
    "proxy:8080",
    "10.0.0.1:3128",
    "socks5://proxy:1080",
    "proxy",
  ),
  noProxy: fc.array(anEntry, { maxLength: 4 }).map((entries) => entries.join(",")),
});

test("thousands of environments have for us the proxy that they have for kubectl", async () => {
  const seed = Date.now() % 2 ** 31;
  const questions = fc.sample(aQuestion, { seed, numRuns: 20_000 });
  const theirs = await go(questions);
  expect(theirs).toHaveLength(questions.length);
  const differences = questions
    .map((question, index) => ({ ...question, go: theirs[index], ours: ours(question) }))
    .filter((each) => each.go !== each.ours);
  expect({ seed, differences: differences.slice(0, 5) }).toEqual({ seed, differences: [] });
  // The questions tell something: they have answers of both kinds.
  expect(theirs.filter((proxy) => proxy === "").length).toBeGreaterThan(2000);
  expect(theirs.filter((proxy) => proxy !== "").length).toBeGreaterThan(2000);
});
