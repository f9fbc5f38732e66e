/** The boot scripts with the real podman and a real registry. The other tests have a stand-in that behaves like them. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { requirePackages } from "../testcluster/lib/debian.ts";
import { RunState } from "../testcluster/lib/run-state.ts";
import { startRegistry } from "../testcluster/node/registry.ts";
import { filled, TestNode } from "./testing/test-node.ts";

setDefaultTimeout(300_000);

let state: RunState;
let node: TestNode;
beforeAll(async () => {
  await requirePackages(["kmod", "podman", "docker-registry"]);
  state = await RunState.create();
  node = await TestNode.create();
}, 600_000);
afterAll(async () => {
  node.dispose();
  await state.stop();
});

test("pulled from the registry, one reboot, replaced; the image is held", async () => {
  const { address } = await startRegistry(state, "127.0.0.1");
  const image = `${address}/onload-module:v9.0-\${KERNEL_FULL_VERSION}`;
  node.publish(filled(image));
  node.useRealPodman(address);
  node.startKernel();
  const pushed = await node.shell(
    [
      "set -e",
      "tar -C /registry/*/rootfs -cf /tmp/rootfs.tar .",
      `podman import --quiet /tmp/rootfs.tar ${filled(image)}`,
      `podman push --quiet ${filled(image)}`,
      `podman rmi ${filled(image)}`,
    ].join("\n"),
  );
  expect(pushed).toMatchObject({ code: 0 });

  const first = await node.boot(image);
  expect(first.replace).toMatchObject({ code: 0, log: expect.stringContaining("ImageAbsent") });
  expect(first).toMatchObject({ pull: { code: 0 }, rebootAsked: true });
  expect(node.driver().driver).toBe("in-tree");

  const second = await node.boot(image);
  expect(second).toMatchObject({ replace: { code: 0 }, pull: { code: 0 }, rebootAsked: false });
  expect(node.driver()).toEqual({ driver: "out-of-tree", nics: 2 });
  const { headers } = await fetch(
    `http://${address}/v2/onload-module/manifests/${filled("v9.0-${KERNEL_FULL_VERSION}")}`,
    {
      headers: { Accept: "application/vnd.oci.image.manifest.v1+json" },
    },
  );
  expect(node.status()).toMatchObject({ reason: "Replaced", digest: headers.get("docker-content-digest") });

  const removal = await node.shell(`podman rmi ${filled(image)}`);
  expect(removal.code).not.toBe(0);
  expect(removal.log).toContain("image is in use by a container");
  expect((await node.shell("mount | grep storage")).log).toBe("");
});

test("a registry that is not there: the error reaches the status file", async () => {
  node.startKernel();
  await node.replaceService("127.0.0.1:1/onload-module:v1");
  // It is killed, because it would try for ever.
  const { log } = await node.run("sfc-pull-kernel-module-image.sh", "127.0.0.1:1/onload-module:v1", 250);
  expect(log).toMatch(/PullFailed: Cannot pull image 127\.0\.0\.1:1\/onload-module:v1: .*connection refused/);
  expect(node.status()).toMatchObject({ driver: "in-tree" });
});
