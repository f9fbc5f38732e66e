import { stat } from "node:fs/promises";
import { join } from "node:path";
import { credentials, Metadata } from "@grpc/grpc-js";
import { RegistrationClient } from "../../proto/deviceplugin/v1beta1/api.gen.ts";
import { ONLOAD_RESOURCE } from "../api/names.ts";

/** The kubelet connects to the plugin before it answers, and gives that ten seconds. */
const REGISTER_TIMEOUT_MS = 15_000;

/** The socket of the kubelet's registration service, as it is on the disk now. */
export interface KubeletSocket {
  path: string;
  /** Changes whenever a kubelet starts. */
  identity: string;
}

/** The kubelet's socket, or undefined while there is none. */
export async function findKubelet(kubeletDir: string): Promise<KubeletSocket | undefined> {
  const path = join(kubeletDir, "kubelet.sock");
  try {
    // An inode number alone may be used again at once.
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
 * @throws where there is no kubelet, it refuses, or the signal is aborted
 */
export async function register(kubelet: KubeletSocket, endpoint: string, signal: AbortSignal): Promise<void> {
  const client = new RegistrationClient(`unix:${kubelet.path}`, credentials.createInsecure(), {
    "grpc.enable_http_proxy": 0,
    "grpc.enable_channelz": 0,
  });
  let cancel: (() => void) | undefined;
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
        { deadline: Date.now() + REGISTER_TIMEOUT_MS },
        (error) =>
          error
            ? reject(
                new Error(`Cannot register with the kubelet at ${kubelet.path}: ${error.details}`, { cause: error }),
              )
            : resolve(),
      );
      cancel = () => call.cancel();
      signal.addEventListener("abort", cancel);
    });
  } finally {
    if (cancel) signal.removeEventListener("abort", cancel);
    client.close();
  }
}
