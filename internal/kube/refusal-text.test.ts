import { expect, test } from "bun:test";
import { ApiError } from "./errors.ts";
import { refusalText } from "./refusal-text.ts";

const refused = (status: number, message: string): string =>
  refusalText(new ApiError("list deployments", status, { message }));

test("a right that is missing is named in short", () => {
  const message =
    'deployments.apps is forbidden: User "jane" cannot list resource "deployments" in API group "apps" at the cluster scope';
  expect(refused(403, message)).toBe("Not allowed: list deployments.apps");
});

test("another refusal keeps its words", () => {
  expect(refused(403, "jane may not do that, because")).toBe("Not allowed: jane may not do that, because");
  expect(refused(500, "etcd is away")).toBe("Cannot list deployments: etcd is away");
});
