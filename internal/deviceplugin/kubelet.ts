import { stat } from "node:fs/promises";
import { join } from "node:path";
import { credentials, Metadata } from "@grpc/grpc-js";
import { RegistrationClient } from "../../proto/deviceplugin/v1beta1/api.gen.ts";
import { ONLOAD_RESOURCE } from "../api/names.ts";
import { callKubelet, KUBELET_CLIENT_OPTIONS } from "./kubelet-call.ts";

/** Time for the kubelet's answer. It connects to the plugin before, for which it takes up to ten seconds. */
const REGISTER_TIMEOUT_MS = 15_000;

/** File name of the socket of the kubelet's registration service. */
export const KUBELET_SOCKET = "kubelet.sock";

/** The socket of the kubelet's registration service, as it is on the disk now. */
export interface KubeletSocket {
  path: string;
  /** Changes whenever a kubelet starts. */
  identity: string;
}

/** The kubelet's socket, or undefined while there is none. */
export async function findKubelet(kubeletDir: string): Promise<KubeletSocket | undefined> {
  const path = join(kubeletDir, KUBELET_SOCKET);
  try {
    // An inode number alone does not do: it may be used again at once.
    const { ino, ctimeNs } = await stat(path, { bigint: true });
    return { path, identity: `${ino}@${ctimeNs}` };
  } catch {
    return undefined;
  }
}

/**
 * Offers the resource to the kubelet, which connects to the plugin's socket before this returns.
 *
 * @param endpoint file name of the plugin's socket in the kubelet's folder
 * @throws Error "Cannot register with the kubelet at PATH: reason" if there is no kubelet, it refuses or does not
 * answer in time, or the signal is aborted
 */
export async function register(
  kubelet: KubeletSocket,
  endpoint: string,
  signal: AbortSignal,
  timeoutMs = REGISTER_TIMEOUT_MS,
): Promise<void> {
  const client = new RegistrationClient(`unix:${kubelet.path}`, credentials.createInsecure(), KUBELET_CLIENT_OPTIONS);
  const request = {
    version: "v1beta1",
    endpoint,
    resourceName: ONLOAD_RESOURCE,
    options: { preStartRequired: false, getPreferredAllocationAvailable: true },
  };
  try {
    await callKubelet(`Cannot register with the kubelet at ${kubelet.path}`, { timeoutMs, signal }, (done) =>
      client.register(request, new Metadata(), done),
    );
  } finally {
    client.close();
  }
}
