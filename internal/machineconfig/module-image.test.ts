import { expect, test } from "bun:test";
import { UsageError } from "../cli/errors.ts";
import { checkModuleImage } from "./module-image.ts";

const digest = `sha256:${"0123456789abcdef".repeat(4)}`;

test.each([
  "onload-module:v9.0",
  "registry.example.com/onload-module:v9.0-${KERNEL_FULL_VERSION}",
  "image-registry.openshift-image-registry.svc:5000/onload-clusterlocal/onload-module:v8.1.0-${KERNEL_FULL_VERSION}",
  "localhost:5000/a/b__c/d-e.f:T_a.g-1",
  "[fd00::1]:5000/onload-module:x",
  `registry.example.com/onload-module@${digest}`,
  `registry.example.com/onload-module:v1@${digest}`,
  "registry.example.com/onload-module:${KERNEL_FULL_VERSION}",
])("%s is an image", (image) => {
  expect(() => checkModuleImage(image)).not.toThrow();
});

test.each([
  ["registry.example.com/onload-module", "add a tag or digest"],
  ["localhost:5000/onload-module", "add a tag or digest"],
  ["registry.example.com/onload-module:v1-${KERNEL_VERSION}", "the only variable is ${KERNEL_FULL_VERSION}"],
  ["registry.example.com/onload-module:v1-$KERNEL_FULL_VERSION", "the only variable is"],
  ["registry.example.com/Onload-Module:v1", "give an image such as"],
  ["registry.example.com/onload-module:", "give an image such as"],
  ["registry.example.com/onload-module@sha256:12", "give an image such as"],
  ['x:v1"\nExecStart=/bin/sh', "give an image such as"],
  ["x:%n", "give an image such as"],
  ["x:v1 y", "give an image such as"],
  ["", "give an image such as"],
])("%p is refused: %s", (image, reason) => {
  expect(() => checkModuleImage(image)).toThrow(UsageError);
  expect(() => checkModuleImage(image)).toThrow(reason);
});
