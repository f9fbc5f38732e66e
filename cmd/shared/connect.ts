import type { Client } from "../../internal/kube/client.ts";
import { connect } from "../../internal/kube/connect.ts";
import { rightsAdvice } from "../../internal/kube/rights-advice.ts";

/**
 * A client for a person: its refusals say what to do.
 *
 * @param advise says which role is missing, unless a command needs more than that
 * @throws Error on one line when no usable configuration is found; the server is not asked anything yet
 */
export function connectAsPerson(
  { kubeconfig, context }: { kubeconfig?: string | undefined; context?: string | undefined },
  advise: (message: string) => string | undefined = rightsAdvice,
): Promise<Client> {
  return connect({ kubeconfig, context, advise });
}

/** The same for a command that says once, of everything that it reads, which role is missing: refusals give no advice. */
export function connectWithoutAdvice({
  kubeconfig,
  context,
}: {
  kubeconfig?: string | undefined;
  context?: string | undefined;
}): Promise<Client> {
  return connect({ kubeconfig, context });
}
