import { expect, test } from "bun:test";
import type { KubeObject } from "../api/core.ts";
import type { ListAllOptions } from "./call-options.ts";
import type { Client } from "./client.ts";
import { ApiError } from "./errors.ts";
import { missingText } from "./missing.ts";
import { NODES, PODS } from "./resource.ts";

/** A cluster with objects `NAMESPACE/NAME`; lists of these namespaces are refused ("" is that of all). */
function clusterOf(objects: readonly string[], refused: readonly string[] = []): Pick<Client, "list"> {
  const list = ({ namespace = "", fieldSelector, transform }: ListAllOptions<KubeObject>) => {
    if (refused.includes(namespace)) return Promise.reject(new Error("forbidden"));
    const items = objects
      .map((each) => each.split("/"))
      .filter(([place]) => namespace === "" || place === namespace)
      .filter(([, name]) => fieldSelector === undefined || fieldSelector === `metadata.name=${name}`)
      .map(([place, name]) => ({ metadata: { name, ...(place === "" ? {} : { namespace: place }) } }));
    return Promise.resolve({ items: items.map((each) => transform!(each as KubeObject)), resourceVersion: "1" });
  };
  return { list: (_resource: unknown, options: ListAllOptions<KubeObject>) => list(options) } as never;
}

const text = (cluster: Pick<Client, "list">, name: string, namespace?: string, what = "pod") =>
  missingText(cluster, { what, resource: what === "pod" ? PODS : NODES, name, namespace }, AbortSignal.timeout(10_000));

test.each<[string, string[], string[], string, string | undefined, string]>([
  ["elsewhere", ["b/web"], [], "web", "a", 'pod "web" in namespace "a": it is in namespace b; give --namespace=b'],
  [
    "twice",
    ["b/web", "c/web"],
    [],
    "web",
    "a",
    'pod "web" in namespace "a": it is in namespaces b, c; give --namespace',
  ],
  ["near", ["a/trader-0", "a/other"], [], "trader-O", "a", 'pod "trader-O" in namespace "a": did you mean trader-0?'],
  ["near, everywhere", ["a/trader-0"], [], "trade-0", undefined, 'pod "trade-0": did you mean trader-0?'],
  [
    "begun",
    ["a/other", "a/trader-f645bb58c-cdbpt"],
    [],
    "trader",
    "a",
    'pod "trader" in namespace "a": did you mean trader-f645bb58c-cdbpt?',
  ],
  ["others", ["a/x1", "b/x2"], [], "trader", undefined, 'pod "trader": there are a/x1, b/x2'],
  ["one other", ["a/x1"], [], "trader", "a", 'pod "trader" in namespace "a": there is only x1'],
  ["nothing", [], [], "trader", "a", 'pod "trader" in namespace "a": there is no pod there'],
  ["nothing at all", [], [], "trader", undefined, 'pod "trader": there is no pod at all'],
  ["without rights elsewhere", ["a/trader"], [""], "trade", "a", 'pod "trade" in namespace "a": did you mean trader?'],
  ["without rights", ["b/web"], ["", "a"], "web", "a", 'pod "web" in namespace "a": give the right --namespace'],
])("%s", async (_what, objects, refused, name, namespace, expected) => {
  expect(await text(clusterOf(objects, refused), name, namespace)).toBe(`Cannot find ${expected}`);
});

test("of what has no namespace", async () => {
  expect(await text(clusterOf(["/compute-0", "/compute-1"]), "compute-O", undefined, "node")).toBe(
    'Cannot find node "compute-O": did you mean compute-0?',
  );
  expect(await text(clusterOf([], [""]), "compute-O", undefined, "node")).toBe('Cannot find node "compute-O"');
});

test("names are those of others, and stay on the line", async () => {
  const hostile = {
    list: () => Promise.resolve({ items: [{ metadata: { name: "a\u001b[2Jb" } }], resourceVersion: "" }),
  };
  const said = await text(hostile as unknown as Pick<Client, "list">, "trader");
  expect(said).toBe('Cannot find pod "trader": there is only a [2Jb');
});

test("who stops it is obeyed", () => {
  const stopped = AbortSignal.abort(new Error("stopped"));
  const missing = { what: "pod", resource: PODS, name: "a", namespace: "b" };
  expect(missingText(clusterOf([], ["", "b"]), missing, stopped)).rejects.toThrow("stopped");
});

test.each([undefined, "a"])("a kind that is not installed (namespace %s)", async (namespace) => {
  const gone = { list: () => Promise.reject(new ApiError("list onloads", 404, { reason: "NotFound" })) };
  expect(await text(gone, "onload", namespace)).toEndWith(": the CRD of that kind is not installed in this cluster");
});
