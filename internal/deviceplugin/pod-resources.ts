import { join } from "node:path";
import { credentials, Metadata } from "@grpc/grpc-js";
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
  const client = new PodResourcesListerClient(`unix:${path}`, credentials.createInsecure(), {
    "grpc.enable_http_proxy": 0,
    "grpc.enable_channelz": 0,
    "grpc.max_receive_message_length": MAX_BYTES,
  });
  let cancel: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  let overdue = false;
  try {
    return await new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const call = client.list({}, new Metadata(), (cause, response) => {
        if (cause === null) return resolve(response);
        const reason = overdue ? `no answer within ${timeoutMs / 1000} s` : cause.details;
        reject(new Error(`Cannot ask the kubelet at ${path} which pods have devices: ${reason}`, { cause }));
      });
      cancel = () => call.cancel();
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
