import { describe, expect, test } from "bun:test";
import { LABEL_BUILD_KEY } from "./labels.ts";
import type { PlannedImage } from "./plan.ts";
import { decidePush, type PushDecision } from "./push.ts";
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
