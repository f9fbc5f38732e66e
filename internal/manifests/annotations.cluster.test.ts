import { beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { RETRY_ANNOTATION } from "../api/names.ts";
import { RequestError, sharedControlPlane, type Cluster } from "../testcluster/index.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { render } from "./render.ts";
import { admission } from "./testing/policies.ts";

// Starting a control plane takes a while on a busy machine.
setDefaultTimeout(180_000);

const LONG = "x".repeat(257);
const REFUSAL =
  "annotation onload.amd.com/retry has 257 characters, and may have 256: set it to something short and new, such as the date";

let cluster: Cluster;
let onloads: string;

/** Writes an Onload; returns why it is refused, or undefined. */
async function write(name: string, retry: string | undefined, spec: object = {}): Promise<string | undefined> {
  const body = {
    apiVersion: "onload.amd.com/v1alpha1",
    kind: "Onload",
    metadata: { name, ...(retry === undefined ? {} : { annotations: { [RETRY_ANNOTATION]: retry } }) },
    spec: {
      selector: { a: "b" },
      serviceAccountName: "sa",
      onload: { kernelMappings: [{ regexp: ".*", kernelModuleImage: "m:1" }], userImage: "u:1", version: "1" },
      ...spec,
    },
  };
  const path = `${onloads}/${name}?fieldManager=test&force=true`;
  try {
    await cluster.request("PATCH", path, { body, contentType: "apply" });
    return undefined;
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    return error.message;
  }
}

beforeAll(async () => {
  cluster = await sharedControlPlane();
  await cluster.apply(render("crd"));
  const binding = "validatingadmissionpolicybinding.admissionregistration.k8s.io/onload-operator-annotations";
  await cluster.kubectl(["delete", binding, "--ignore-not-found"]);
  onloads = `/apis/onload.amd.com/v1alpha1/namespaces/${await cluster.createNamespace("n")}/onloads`;
  await poll(async () => (await write("before", LONG)) === undefined || undefined, { what: "the policy being gone" });
  await cluster.apply(admission("annotations"));
  // The API server takes a moment until a new policy is in force. One that was written meanwhile may stay as it is.
  const probe = (): string => `probe-${crypto.randomUUID().slice(0, 8)}`;
  await poll(async () => (await write(probe(), LONG)) !== undefined || undefined, {
    what: "the policy being in force",
  });
}, 180_000);

test("a long retry annotation is refused, with the reason and what to do", async () => {
  expect(await write("new", LONG)).toContain(REFUSAL);
  expect(await write("new", "x".repeat(256))).toBeUndefined();
  expect(await write("new", LONG)).toContain(REFUSAL);
  expect(await write("new", "é".repeat(256))).toBeUndefined();
  expect(await write("new", "Sat Nov 28 12:00:00 UTC 2026\n")).toBeUndefined();
  expect(await write("plain", undefined)).toBeUndefined();
  expect(await write("plain", LONG)).toContain(REFUSAL);
});

test("one that was there before keeps nobody from changing the resource, and is not replaced by another", async () => {
  expect(await write("before", LONG, { selector: { a: "c" } })).toBeUndefined();
  expect(await write("before", `${LONG.slice(1)}y`)).toContain(REFUSAL);
  expect(await write("before", "short")).toBeUndefined();
  expect(await write("before", LONG)).toContain(REFUSAL);
});
