import { describe, expect, test } from "bun:test";
import type { Taint } from "../../api/core.ts";
import { blockingTaints, type AnyToleration } from "./taints.ts";

const taint = (text: string): Taint => {
  const [, key = "", value, effect = ""] = /^([^=:]+)(?:=([^:]*))?:(.+)$/.exec(text)!;
  return { key, ...(value === undefined ? {} : { value }), effect: effect as Taint["effect"] };
};
const ONE = { toleratesTaints: false };
const TWO = { toleratesTaints: true };
const DEDICATED = "dedicated=trading:NoSchedule";

describe("KMM", () => {
  test("without tolerations loads nothing on a node with any taint, whatever the plugin tolerates", () => {
    const found = blockingTaints([taint(DEDICATED)], ONE, [{ operator: "Exists" }]);
    expect(found).toEqual({ kmm: { text: DEDICATED, passing: false }, plugin: undefined });
  });
  test("with tolerations minds none", () => {
    expect(blockingTaints([taint(DEDICATED)], TWO, []).kmm).toBeUndefined();
  });
  test("minds Kubernetes' own taints, which pass", () => {
    const found = blockingTaints([taint("node.kubernetes.io/disk-pressure:NoSchedule")], ONE, []);
    expect(found).toMatchObject({ kmm: { passing: true }, plugin: undefined });
  });
  test("minds nothing where there is no taint", () => {
    expect(blockingTaints([], ONE, [])).toEqual({ kmm: undefined, plugin: undefined });
  });
});

/** By the table of the Kubernetes documentation, "Taints and Tolerations". */
const TOLERATED: [text: string, toleration: AnyToleration, tolerated: boolean][] = [
  [DEDICATED, { key: "dedicated", operator: "Equal", value: "trading", effect: "NoSchedule" }, true],
  [DEDICATED, { key: "dedicated", value: "trading" }, true],
  [DEDICATED, { key: "dedicated", value: "other" }, false],
  [DEDICATED, { key: "dedicated" }, false],
  [DEDICATED, { key: "dedicated", operator: "Exists" }, true],
  [DEDICATED, { key: "dedicated", operator: "Exists", effect: "NoExecute" }, false],
  [DEDICATED, { operator: "Exists" }, true],
  [DEDICATED, { operator: "Exists", effect: "NoSchedule" }, true],
  [DEDICATED, { key: "other", operator: "Exists" }, false],
  [DEDICATED, { value: "trading" }, false],
  ["plain:NoExecute", { key: "plain" }, true],
  ["plain:NoExecute", { key: "plain", operator: "Exists", tolerationSeconds: 5 }, true],
];

describe("the plugin's pod is made on a node with taint", () => {
  test.each(TOLERATED)("%s and toleration %j: %p", (text, toleration, tolerated) => {
    const { plugin } = blockingTaints([taint(text)], TWO, [{ key: "x", operator: "Exists" }, toleration]);
    expect(plugin).toEqual(tolerated ? undefined : { text, passing: false });
  });
  test.each(["disk-pressure", "memory-pressure", "pid-pressure", "network-unavailable"])(
    "node.kubernetes.io/%s without a toleration, as those of all DaemonSets",
    (name) => {
      const own = taint(`node.kubernetes.io/${name}:NoSchedule`);
      expect(blockingTaints([own], TWO, []).plugin).toBeUndefined();
      expect(blockingTaints([{ ...own, effect: "NoExecute" }], TWO, []).plugin).toMatchObject({ passing: true });
    },
  );
  test("that is tolerated, and not beside one that is not", () => {
    const { plugin } = blockingTaints([taint(DEDICATED), taint("other:NoExecute")], TWO, [
      { key: "dedicated", operator: "Exists" },
    ]);
    expect(plugin).toMatchObject({ text: "other:NoExecute" });
  });
});
