// The official TypeScript SDK's client against the bridge:
//   node client.mjs stdio COMMAND ARGUMENT…   or   node client.mjs http URL TOKEN
// Ends with 1 where anything is not as it should be.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The packages lie where this was started, not beside this file.
const here = createRequire(pathToFileURL(`${process.cwd()}/`));
const load = (name) => import(pathToFileURL(here.resolve(`@modelcontextprotocol/sdk/${name}`)).href);
const { Client } = await load("client/index.js");
const [kind, target, ...rest] = process.argv.slice(2);

async function transport() {
  if (kind === "stdio") {
    const { StdioClientTransport } = await load("client/stdio.js");
    return new StdioClientTransport({ command: target, args: rest, env: process.env, stderr: "inherit" });
  }
  const { StreamableHTTPClientTransport } = await load("client/streamableHttp.js");
  const headers = { Authorization: `Bearer ${rest[0]}` };
  return new StreamableHTTPClientTransport(new URL(target), { requestInit: { headers } });
}

const client = new Client({ name: "conformance", version: "1.0.0" });
await client.connect(await transport());
assert.equal(client.getServerVersion().name, "hephaestus");
assert.ok(client.getInstructions().includes("next_ticket"));

const { tools } = await client.listTools();
assert.equal(tools[0].name, "next_ticket");
assert.equal(tools.every((tool) => Object.keys(tool.annotations).length === 4), true);

const fields = { title: "Made by TypeScript", description: "The official client made this." };
const made = await client.callTool({ name: "create_ticket", arguments: fields });
assert.ok(!made.isError, JSON.stringify(made));
const { key } = made.structuredContent;
const shown = await client.callTool({ name: "get_ticket", arguments: { ticket_id: key } });
assert.equal(shown.structuredContent.title, fields.title);
const wrong = await client.callTool({ name: "get_ticket", arguments: { ticket: key } });
assert.equal(wrong.isError, true);
assert.equal(wrong.structuredContent.error.next.arguments.ticket_id, key);

const resource = await client.readResource({ uri: `ticket://${key}` });
assert.ok(resource.contents[0].text.includes(fields.title));
const prompt = await client.getPrompt({ name: "start_work", arguments: { ticket_id: key } });
assert.ok(prompt.messages[0].content.text.includes(key));
assert.equal((await client.listResourceTemplates()).resourceTemplates.length, 3);
await client.close();
console.log(`TypeScript SDK over ${kind}: passed`);
process.exit(0);
