// Shows what this host says of faults in a workflow that the web API's answers, and so the editor, have no words for:
// links that lead round in a circle, and links to outputs that are not there.
import { api } from '/scripts/api.js'
import { app } from '/scripts/app.js'

app.registerExtension({
  name: 'comfy-nodes.faults',
  setup() {
    api.addEventListener('comfy-nodes.faults', ({ detail }) =>
      app.extensionManager.toast.add({
        severity: 'error',
        summary: "The workflow can't run",
        detail: detail.lines.join('\n'),
        life: 30000
      })
    )
  }
})
