import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findKubelet, register } from "./kubelet.ts";

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "onload-kubelet-"))));
afterEach(() => rmSync(folder, { recursive: true }));

test("a kubelet that accepts the connection and never answers is given up in time, with the reason", async () => {
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(join(folder, "kubelet.sock"), resolve));
  const kubelet = (await findKubelet(folder))!;
  await expect(register(kubelet, "onload.sock", new AbortController().signal, 50)).rejects.toThrow(
    `Cannot register with the kubelet at ${kubelet.path}: no answer within 0.05 s`,
  );
  silent.close();
});

test("registering ends when it is not wanted any more", async () => {
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(join(folder, "kubelet.sock"), resolve));
  const stop = new AbortController();
  const registering = register((await findKubelet(folder))!, "onload.sock", stop.signal);
  stop.abort();
  await expect(registering).rejects.toThrow();
  silent.close();
});

test("without a socket there is no kubelet", async () => {
  expect(await findKubelet(folder)).toBeUndefined();
});
