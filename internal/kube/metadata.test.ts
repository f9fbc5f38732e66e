import { expect, test } from "bun:test";
import { SECRETS } from "./resource.ts";
import { FakeApiServer } from "./testing/fake-api-server.ts";

test("only metadata is asked for, and nothing else is taken", async () => {
  await using server = await FakeApiServer.start();
  const path = "/api/v1/namespaces/ns/secrets";
  server.put(path, { kind: "PartialObjectMetadata", metadata: { name: "login", namespace: "ns" } } as never);
  server.put(path, { kind: "Secret", metadata: { name: "whole", namespace: "ns" }, data: { password: "x" } } as never);
  const client = server.client();
  expect((await client.getMetadata(SECRETS, { namespace: "ns", name: "login" }))?.metadata.name).toBe("login");
  expect(server.headers[0]!.accept).toBe("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
  expect(await client.getMetadata(SECRETS, { namespace: "ns", name: "none" })).toBeUndefined();
  // A server or proxy that does not know this form.
  await expect(client.getMetadata(SECRETS, { namespace: "ns", name: "whole" })).rejects.toThrow("a Secret");
});
