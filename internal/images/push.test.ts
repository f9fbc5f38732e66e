import { describe, expect, test } from "bun:test";
import { LABEL_BUILD_KEY } from "./labels.ts";
import { engineCommands } from "./engine.ts";
import { LocalStore } from "./local-store.ts";
import type { PlannedImage } from "./plan.ts";
import { createProgress } from "./progress.ts";
import { decidePush, pushImage, type PushDecision } from "./push.ts";
import type { RemoteImage } from "./registry.ts";

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
  const rows: Record<string, [string | undefined, RemoteImage | undefined, boolean, PushDecision]> = {
    "nothing under the name": [undefined, undefined, false, { do: "push" }],
    "nothing under the name, built before": ["id", undefined, false, { do: "push" }],
    "the same image": ["id", { digest: "d", imageId: "id", labels: {} }, false, { do: "keep", digest: "d" }],
    "the same image, of an engine whose IDs are digests": [
      "ab",
      { digest: "sha256:ab", labels: {} },
      false,
      { do: "keep", digest: "sha256:ab" },
    ],
    "made of the same, built elsewhere": [
      "id",
      { digest: "d", imageId: "other", labels: ours },
      false,
      { do: "keep", digest: "d" },
    ],
    "made of the same, not here": [undefined, { digest: "d", imageId: "other", labels: ours }, false, { do: "pull" }],
    "something else": [undefined, { digest: "d", imageId: "other", labels: {} }, false, { do: "refuse", digest: "d" }],
    "something else than what is here": [
      "id",
      { digest: "d", imageId: "other", labels: {} },
      false,
      { do: "refuse", digest: "d" },
    ],
    "something else, by force": ["id", { digest: "d", imageId: "other", labels: {} }, true, { do: "push" }],
    "the same image, by force": ["id", { digest: "d", imageId: "id", labels: {} }, true, { do: "keep", digest: "d" }],
  };
  for (const [name, [reuse, remote, force, expected]] of Object.entries(rows)) {
    test(name, () => expect(decidePush({ ...planned, reuse }, remote, force)).toEqual(expected));
  }
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
