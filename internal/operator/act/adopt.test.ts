import { describe, expect, test } from "bun:test";
import type { ManagedFieldsEntry } from "../../api/core.ts";
import { adoptSpec } from "./adopt.ts";

function entry(
  manager: string,
  operation: "Apply" | "Update",
  fieldsV1: object,
  subresource?: string,
): ManagedFieldsEntry {
  return {
    manager,
    operation,
    apiVersion: "apps/v1",
    fieldsType: "FieldsV1",
    fieldsV1: fieldsV1 as Record<string, unknown>,
    ...(subresource === undefined ? {} : { subresource }),
  };
}

const ours = entry("onloadctl", "Apply", { "f:metadata": { "f:labels": {} }, "f:spec": { "f:a": {} } });

describe("adoptSpec", () => {
  const nothing: Record<string, ManagedFieldsEntry[]> = {
    "nothing there": [],
    "all is ours": [ours],
    "a controller's status": [ours, entry("kube-controller-manager", "Update", { "f:status": {} }, "status")],
    "somebody's label": [ours, entry("kubectl-label", "Update", { "f:metadata": { "f:labels": { "f:x": {} } } })],
    "what a webhook adds to our own requests": [ours, entry("onloadctl", "Update", { "f:spec": { "f:sidecar": {} } })],
  };
  for (const [name, entries] of Object.entries(nothing)) {
    test(`leaves ${name}`, () => expect(adoptSpec(entries)).toBeUndefined());
  }

  test("takes over what another program made, and nothing of its metadata", () => {
    const original = entry("manager", "Update", {
      "f:metadata": { "f:labels": { "f:x": {} } },
      "f:spec": { "f:template": { "f:hostIPC": {} } },
    });
    expect(adoptSpec([original])).toEqual([
      { ...original, fieldsV1: { "f:metadata": { "f:labels": { "f:x": {} } } } },
      entry("onloadctl", "Apply", { "f:spec": { "f:template": { "f:hostIPC": {} } } }),
    ]);
  });

  test("adds to what is ours already, from everybody", () => {
    const edit = entry("kubectl-edit", "Update", { "f:spec": { "f:b": { "f:c": {} } } });
    const apply = entry("argocd", "Apply", { "f:spec": { "f:b": { "f:d": {} }, "f:a": {} } });
    expect(adoptSpec([edit, ours, apply])).toEqual([
      entry("onloadctl", "Apply", {
        "f:metadata": { "f:labels": {} },
        "f:spec": { "f:a": {}, "f:b": { "f:c": {}, "f:d": {} } },
      }),
    ]);
  });

  test("does not take over twice", () => {
    const edit = entry("kubectl-edit", "Update", { "f:spec": { "f:b": {} } });
    expect(adoptSpec(adoptSpec([ours, edit])!)).toBeUndefined();
  });
});
