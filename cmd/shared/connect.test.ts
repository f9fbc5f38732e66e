import { expect, test } from "bun:test";
import { join } from "node:path";
import { checkout } from "../../internal/testcluster/lib/paths.ts";

test("every command for people connects so that a refusal names the role that is missing", async () => {
  const files = [...new Bun.Glob("cmd/**/*.ts").scanSync(checkout)].filter((file) => !file.endsWith(".test.ts"));
  const texts = await Promise.all(files.map((file) => Bun.file(join(checkout, file)).text()));
  const found = files.filter((_, i) => texts[i]!.includes("internal/kube/connect.ts"));
  // The operator's own rights come with its manifests.
  expect(found.toSorted()).toEqual(["cmd/operator.ts", "cmd/shared/connect.ts"]);
});
