// Loaded by the graph editor, which serves it below /extensions/web-hello/.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const ROUTE = "/web-hello/greeting";

async function greet() {
  const language = (navigator.language || "en").slice(0, 2);
  let answer = await api.fetchApi(`${ROUTE}?name=you&language=${language}`);
  if (answer.status === 400) answer = await api.fetchApi(`${ROUTE}?name=you`);
  const { greeting } = await answer.json();
  app.extensionManager.toast.add({ severity: "info", summary: "Web hello", detail: greeting, life: 3000 });
}

app.registerExtension({
  name: "web-hello",
  commands: [{ id: "web-hello.greet", label: "Say hello", function: greet }],
  menuCommands: [{ path: ["Extensions"], commands: ["web-hello.greet"] }],
  // The node's text, once it ran, stands on the node itself.
  async beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name !== "WebHello") return;
    const before = nodeType.prototype.onExecuted;
    nodeType.prototype.onExecuted = function (message) {
      before?.apply(this, arguments);
      this.title = message?.text?.[0] ?? this.title;
      this.setDirtyCanvas?.(true);
    };
  },
});
