import { expect, test } from "bun:test";
import fc from "fast-check";
import { join } from "node:path";
import { isPluginSocket, socketName } from "./config.ts";
import { KUBELET_DIR } from "../api/plugin-pod.ts";

test("the socket is named for the pod", () => {
  expect(socketName(KUBELET_DIR, "cluster-device-plugin-ds-x7k2p")).toBe("onload-cluster-device-plugin-ds-x7k2p.sock");
});

test("its path always fits the kernel's limit, and two pods never share it", () => {
  const name = fc.stringMatching(/^[a-z0-9]([-a-z0-9.]{0,250}[a-z0-9])?$/);
  fc.assert(
    fc.property(name, name, (one, two) => {
      const socket = socketName(KUBELET_DIR, one);
      expect(Buffer.byteLength(join(KUBELET_DIR, socket))).toBeLessThanOrEqual(107);
      expect(isPluginSocket(socket)).toBe(true);
      expect(socket === socketName(KUBELET_DIR, two)).toBe(one === two);
    }),
  );
});

test("other plugins' sockets are not taken for ours", () => {
  for (const name of ["kubelet.sock", "nvidia-gpu.sock", "onload-x", "DEPRECATION"]) {
    expect(isPluginSocket(name)).toBe(false);
  }
});
