import { describe, expect, test } from "bun:test";
import { LABEL_BUILD_KEY } from "./labels.ts";
import { engineCommands, type LocalImage } from "./engine.ts";
import { LocalStore } from "./local-store.ts";
import type { PlannedImage } from "./plan.ts";
import { createProgress } from "./progress.ts";
import { decidePush, pushImage, type PushDecision } from "./push.ts";
import type { RegistryImage } from "./registry-image.ts";

const planned: PlannedImage = {
  part: "user",
  name: "user",
  tag: "r/onload-user:9.1.0",
  wanted: true,
  dockerfile: "",
  args: [],
  labels: [[LABEL_BUILD_KEY, "key"]],
};
const ours = { [LABEL_BUILD_KEY]: "key" };

describe("decidePush", () => {
  const image = (id: string, labels: Record<string, string> = {}): LocalImage => ({
    id,
    labels,
    architecture: "amd64",
    os: "linux",
    env: [],
    user: "",
    size: 1,
    digests: [],
  });
  const found = (one: LocalImage, digest: string | undefined = "d"): RegistryImage => ({
    kind: "image",
    image: one,
    digest,
  });
  const other = image("other");
  const same = image("other", ours);
  const rows: Record<string, [string | undefined, RegistryImage, boolean, PushDecision]> = {
    "nothing under the name": [undefined, { kind: "absent" }, false, { do: "push" }],
    "nothing that the engine is told": ["id", { kind: "unknown", reason: "r" }, false, { do: "push" }],
    "the same image": ["id", found(image("id")), false, { do: "keep", image: image("id"), digest: "d" }],
    "the same image, with several digests": [
      "id",
      { kind: "image", image: image("id"), digest: undefined },
      false,
      { do: "keep", image: image("id"), digest: undefined },
    ],
    "made of the same, built elsewhere": ["id", found(same), false, { do: "keep", image: same, digest: "d" }],
    "made of the same, not here": [undefined, found(same), false, { do: "keep", image: same, digest: "d" }],
    "something else": [undefined, found(other), false, { do: "refuse", digest: "d" }],
    "something else than what is here": ["id", found(other), false, { do: "refuse", digest: "d" }],
    "something for other platforms": ["id", { kind: "other" }, false, { do: "refuse", digest: undefined }],
    "something else, by force": ["id", found(other), true, { do: "push" }],
    "something for other platforms, by force": ["id", { kind: "other" }, true, { do: "push" }],
    "the same image, by force": ["id", found(image("id")), true, { do: "keep", image: image("id"), digest: "d" }],
  };
  for (const [name, [reuse, there, force, expected]] of Object.entries(rows)) {
    test(name, () => expect(decidePush({ ...planned, reuse }, there, force)).toEqual(expected));
  }

  test("images without a key are not made of the same", () => {
    expect(decidePush({ ...planned, labels: [] }, found(other), false)).toEqual({ do: "refuse", digest: "d" });
  });
});

describe("pushImage", () => {
  const digest = `sha256:${"2".repeat(64)}`;

  /** Pushes with docker, whose attempts end as `answers` say; returns the waits between them too. */
  async function push(answers: { code: number; output: string }[]): Promise<{ digest: string; waits: number[] }> {
    const left = [...answers];
    const runner = {
      run: async () => ({ stdout: "", ...left.shift()! }),
      read: () => Promise.reject(new Error("nothing is read")),
    };
    const waits: number[] = [];
    const { signal } = new AbortController();
    const store = new LocalStore(engineCommands("docker", true), runner);
    const progress = createProgress({ write: () => undefined });
    const deps = { store, progress, registry: {}, work: { root: "/none" }, signal };
    return { digest: await pushImage(planned, deps, async (ms) => waits.push(ms)), waits };
  }
  const good = { code: 0, output: `9.1.0: digest: ${digest} size: 1` };
  const down = { code: 1, output: "dial tcp 10.0.0.1:5000: connect: connection refused" };

  test("returns the digest", async () => expect(await push([good])).toEqual({ digest, waits: [] }));

  test("tries again, waiting longer each time", async () => {
    expect(await push([down, { code: 1, output: "received unexpected HTTP status: 502 Bad Gateway" }, good])).toEqual({
      digest,
      waits: [1000, 5000],
    });
  });

  test("gives up after the third time", () => {
    expect(push([down, down, down])).rejects.toThrow(
      "Cannot push r/onload-user:9.1.0: the network or the registry cannot be reached; check the name, the port, DNS and the proxy",
    );
  });

  test("does not try again what cannot get better", () => {
    expect(push([{ code: 1, output: "unauthorized: authentication required" }])).rejects.toThrow(
      "the registry refuses the login",
    );
  });

  test("a digest that is not reported is no success", () => {
    expect(push([{ code: 0, output: "" }])).rejects.toThrow("Cannot tell the digest of r/onload-user:9.1.0");
  });
});
