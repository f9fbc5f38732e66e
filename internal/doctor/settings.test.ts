import { expect, test } from "bun:test";
import { configMapsOf, settingsOf } from "./settings.ts";

const container = {
  name: "app",
  envFrom: [
    { configMapRef: { name: "latency" } },
    { prefix: "EF_", configMapRef: { name: "prefixed" } },
    { secretRef: { name: "keys" } },
  ],
  env: [
    { name: "EF_POLL_USEC", value: "7" },
    { name: "EF_NAME", valueFrom: { configMapKeyRef: { name: "one", key: "stack" } } },
    { name: "EF_ABSENT", valueFrom: { configMapKeyRef: { name: "one", key: "other", optional: true } } },
    { name: "EF_POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
    { name: "EF_OTHER", value: "$(HOME)" },
    { name: "PATH", valueFrom: { configMapKeyRef: { name: "paths", key: "PATH" } } },
  ],
};

test("variables are those that the kubelet sets, the later before the earlier", () => {
  expect(configMapsOf([container])).toEqual(["latency", "prefixed", "one"]);
  const configMaps = new Map([
    ["latency", { value: { EF_POLL_USEC: "1", EF_INT_DRIVEN: "0", HOME: "/" } }],
    ["prefixed", { value: { TCP_FASTSTART_INIT: "0" } }],
    ["one", { value: { stack: "s" } }],
  ]);
  expect(settingsOf(container, configMaps)).toEqual({
    container: "app",
    settings: { EF_POLL_USEC: "7", EF_INT_DRIVEN: "0", EF_TCP_FASTSTART_INIT: "0", EF_NAME: "s" },
    unread: ['Secret "keys"', "variable EF_POD", "variable EF_OTHER"],
  });
});

test("ConfigMaps that may not be read are named; those that are not there have nothing", () => {
  const { settings, unread } = settingsOf(
    container,
    new Map([
      ["latency", { problem: "forbidden" }],
      ["prefixed", { value: undefined }],
    ]),
  );
  expect(settings).toEqual({ EF_POLL_USEC: "7" });
  expect(unread).toContain('ConfigMap "latency"');
  expect(unread).toContain('ConfigMap "one"');
  expect(unread).not.toContain('ConfigMap "prefixed"');
});
