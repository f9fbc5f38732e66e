import { existsSync } from "node:fs";
import { join } from "node:path";
import { credentials, Metadata } from "@grpc/grpc-js";
import { callKubelet, KUBELET_CLIENT_OPTIONS } from "./kubelet-call.ts";
import { PodResourcesListerClient, type ListPodResourcesResponse } from "../../proto/podresources/v1/api.gen.ts";

/** File name of the socket of the kubelet's PodResources service, in its folder. */
const SOCKET = "kubelet.sock";
const TIMEOUT_MS = 10_000;
/** As much as the kubelet's own clients take (pkg/kubelet/apis/podresources, defaultPodResourcesMaxSize). */
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Asks the kubelet which containers have which devices.
 *
 * @param folder of the socket, on the node usually /var/lib/kubelet/pod-resources
 * @throws Error "Cannot ask the kubelet at PATH which pods have devices: reason"
 */
export async function listPodResources(
  folder: string,
  signal: AbortSignal,
  timeoutMs = TIMEOUT_MS,
): Promise<ListPodResourcesResponse> {
  const path = join(folder, SOCKET);
  if (!existsSync(path))
    throw new Error(
      `Cannot ask the kubelet at ${path} which pods have devices: there is no such socket; if the kubelet has another ` +
        "--root-dir, set spec.devicePlugin.podResourcesDir to its folder pod-resources",
    );
  const client = new PodResourcesListerClient(`unix:${path}`, credentials.createInsecure(), {
    ...KUBELET_CLIENT_OPTIONS,
    "grpc.max_receive_message_length": MAX_BYTES,
  });
  try {
    return await callKubelet<ListPodResourcesResponse>(
      `Cannot ask the kubelet at ${path} which pods have devices`,
      { timeoutMs, signal },
      (done) => client.list({}, new Metadata(), done),
    );
  } finally {
    client.close();
  }
}
