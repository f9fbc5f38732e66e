import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { output, run } from "../../../internal/testcluster/lib/command.ts";
import { ociArchive } from "./oci-image.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "onloadctl-oci-image-"));
});
afterAll(() => rm(folder, { recursive: true }));

const YEAR = 365 * 86_400;

/** The archive of one image as skopeo knows it: its manifest, and its configuration. */
async function seen(name: string, index?: Record<string, string>): Promise<{ manifest: object; config: object }> {
  const layers = [[{ name: "manifests/a.yaml", content: "a" }]];
  const image = { architecture: "amd64", layers, config: { Labels: { package: "a" } } } as const;
  const { content, digest } = await ociArchive([image], { name: "a:1", time: YEAR, ...(index && { index }) });
  const archive = join(folder, `${name}.oci.tar`);
  await writeFile(archive, content);
  const inspect = async (how: string): Promise<string> =>
    (await run(["skopeo", "inspect", how, `oci-archive:${archive}`])).stdout;
  const manifest = await inspect("--raw");
  expect(digest).toBe(`sha256:${createHash("sha256").update(manifest).digest("hex")}`);
  return { manifest: JSON.parse(manifest), config: JSON.parse(await inspect("--config")) };
}

test("an image without an index is found under the archive's name itself, whatever node pulls it", async () => {
  const { manifest, config } = await seen("single");
  expect(manifest).toMatchObject({ mediaType: "application/vnd.oci.image.manifest.v1+json", layers: [{}] });
  expect(config).toMatchObject({ config: { Labels: { package: "a" } } });
  expect((await seen("index", { a: "b" })).manifest).toMatchObject({
    mediaType: "application/vnd.oci.image.index.v1+json",
    annotations: { a: "b" },
  });
});

/** Digests of the layers of an image with a base and a program, the lowest first, as tar finds them in the archive. */
async function layersOf(name: string, program: string, time: number): Promise<string[]> {
  const { content } = await ociArchive(
    [
      {
        architecture: "amd64",
        layers: [
          [{ name: "lib/libc.so.6", content: "library", isExecutable: true }],
          [{ name: "usr/bin/a", content: program }],
        ],
        config: { Labels: { revision: name } },
      },
    ],
    { name: "a:1", time, index: {} },
  );
  const tree = join(folder, name);
  await mkdir(tree);
  await writeFile(join(tree, "archive.tar"), content);
  await run(["tar", "-C", tree, "-xf", join(tree, "archive.tar")]);
  const json = async (path: string): Promise<any> => JSON.parse(await readFile(join(tree, path), "utf8")); // oxlint-disable-line typescript/no-explicit-any -- JSON
  const blob = ({ digest }: { digest: string }): string => `blobs/sha256/${digest.slice("sha256:".length)}`;
  const index = await json(blob((await json("index.json")).manifests[0]));
  const { layers } = await json(blob(index.manifests[0]));
  return layers.map(({ digest }: { digest: string }) => digest);
}

test("of a later commit, nodes pull only the layers whose content is another", async () => {
  const [base, program] = await layersOf("before", "1", 20 * YEAR);
  const after = await layersOf("after", "2", 21 * YEAR);
  expect(after).toHaveLength(2);
  expect(after[0]).toBe(base!);
  expect(after[1]).not.toBe(program!);
});

test("what is in a layer is dated alike, so that every layer follows from its content", async () => {
  const [layer = ""] = await layersOf("dated", "1", 20 * YEAR);
  const file = join(folder, "dated/blobs/sha256", layer.slice("sha256:".length));
  const listed = await output(["tar", "--utc", "--full-time", "-tvzf", file]);
  expect(listed.split("\n").map((line) => /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/.exec(line)?.[0])).toEqual([
    "1970-01-01 00:00:00",
    "1970-01-01 00:00:00",
  ]);
});
