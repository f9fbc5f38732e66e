import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSmallFile } from "./small-file.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "small-file-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

const read = async (path: string, maxBytes = 100_000, timeoutMs = 10_000): Promise<string> =>
  (await readSmallFile(path, { maxBytes, timeoutMs })).toString();

test("a file of at most so many bytes is read", async () => {
  const path = join(folder, "file");
  await writeFile(path, "x".repeat(100_000));
  expect(await read(path)).toBe("x".repeat(100_000));
  await expect(read(path, 99_999)).rejects.toThrow("it has more than 99999 bytes");
});

test("a device without end and a pipe without a writer are given up", async () => {
  await expect(read("/dev/zero")).rejects.toThrow("it has more than 100000 bytes");
  const path = join(folder, "pipe");
  Bun.spawnSync(["mkfifo", path]);
  await expect(read(path, 100_000, 50)).rejects.toThrow("nothing more came within 0.05 s");
  // Otherwise a thread of this process would wait for ever.
  await writeFile(path, "");
});

test("a pipe of a shell is read to its end", async () => {
  const program = `import {readSmallFile} from "${join(import.meta.dirname, "small-file.ts")}";
    console.log(String(await readSmallFile(process.argv[1], {maxBytes: 1e6})).length)`;
  const script = `"$0" -e '${program}' <(head -c 300000 /dev/zero; sleep 0.1; echo)`;
  const { stdout } = Bun.spawnSync(["bash", "-c", script, process.execPath]);
  expect(stdout.toString()).toBe("300001\n");
});

test("what is missing or no file says so as node does", async () => {
  await expect(read(join(folder, "none"))).rejects.toThrow("ENOENT");
  await expect(read(folder)).rejects.toThrow("EISDIR");
});

test("standard input is read up to the bound, and closed then", async () => {
  const program = `import {readDocuments} from "${join(import.meta.dirname, "../../cmd/shared/documents.ts")}";
    await readDocuments("-").then((list) => console.log(JSON.stringify(list)), (error) => console.log(error.message));`;
  const read = async (source: string): Promise<string> => {
    const script = `${source} | timeout --signal=KILL 20 "$0" -e '${program}'`;
    const child = Bun.spawn(["bash", "-c", script, process.execPath], { stdout: "pipe", stderr: "inherit" });
    return await new Response(child.stdout).text();
  };
  expect(await read("(echo a: 1; sleep 0.1; echo b: 2)")).toBe('[{"a":1,"b":2}]\n');
  expect(await read("yes")).toBe("Cannot read standard input: it has more than 4194304 bytes\n");
});
