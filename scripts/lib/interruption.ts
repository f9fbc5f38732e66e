/** Aborts its signal at the first SIGINT or SIGTERM, so that the program can clean up. A second one ends it at once. */
export function interruption(): AbortController {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort(new Error("Interrupted"));
    });
  }
  return controller;
}
