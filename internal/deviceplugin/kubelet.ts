import { stat } from "node:fs/promises";
import { join } from "node:path";
import { credentials, Metadata } from "@grpc/grpc-js";
import { RegistrationClient } from "../../proto/deviceplugin/v1beta1/api.gen.ts";
import { ONLOAD_RESOURCE } from "../api/names.ts";

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
  const client = new RegistrationClient(`unix:${kubelet.path}`, credentials.createInsecure(), {
    "grpc.enable_http_proxy": 0,
    "grpc.enable_channelz": 0,
  });
  let cancel: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  let overdue = false;
  try {
    await new Promise<void>((resolve, reject) => {
      signal.throwIfAborted();
      const call = client.register(
        {
          version: "v1beta1",
          endpoint,
          resourceName: ONLOAD_RESOURCE,
          options: { preStartRequired: false, getPreferredAllocationAvailable: true },
        },
        new Metadata(),
        (cause) => {
          if (cause === null) return resolve();
          const reason = overdue ? `no answer within ${timeoutMs / 1000} s` : cause.details;
          reject(new Error(`Cannot register with the kubelet at ${kubelet.path}: ${reason}`, { cause }));
        },
      );
      cancel = () => call.cancel();
      // Not gRPC's own deadline, which is a time of day: a clock that is set would move it.
      timer = setTimeout(() => {
        overdue = true;
        call.cancel();
      }, timeoutMs);
      signal.addEventListener("abort", cancel);
    });
  } finally {
    clearTimeout(timer);
    if (cancel) signal.removeEventListener("abort", cancel);
    client.close();
  }
}
