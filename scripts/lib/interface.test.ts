import { expect, test } from "bun:test";
import { interfaceText } from "./interface.ts";

const lines = (await interfaceText()).split("\n");

test.each([
  "command onloadctl status --output, -o",
  "command onloadctl status --output, -o wide",
  "command onloadctl build-images --engine podman",
  "command onloadctl status --wait",
  "command onloadctl status --wait without a value",
  "command onloadctl manifests install --image required",
  "resource onload.amd.com/v1alpha1 .spec.onload.userImage required",
  "resource onload.amd.com/v1alpha1 .spec.onload.kernelMappings[].regexp required",
  "chart value .imagePullSecrets[].name required",
  "exit code of plan 3 nodes would be taken out",
  "exit code of status 3 waiting",
  "exit code of wait 6 needs a person",
  "name onload.amd.com/NAMESPACE.NAME",
  "name latch.onload.amd.com/NAMESPACE.NAME-module",
  "name latch.onload.amd.com/NAMESPACE.NAME-sfcmod",
  "name reminder.onload.amd.com/NAMESPACE.NAME",
  "name of an object NAME-onload-device-plugin-ds",
  "label of an object app.kubernetes.io/managed-by=onload-operator",
  "label of an object app.kubernetes.io/instance=onload-NAMESPACE-NAME",
  "label of an object app.kubernetes.io/component=device-plugin",
])("%s is stable", (line) => {
  expect(lines).toContain(line);
});

test("no line is cut off, and what a status has need not be given", () => {
  expect(lines.filter((line) => /[[=]$/.test(line))).toEqual([]);
  expect(lines.filter((line) => / \.status\b.* required$/.test(line))).toEqual([]);
});
