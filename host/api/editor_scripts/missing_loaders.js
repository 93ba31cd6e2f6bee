// The official editor, at least from 1.27 to 1.30, breaks off loading any checkpoint loader if one of these nodes is
// not installed: it reads the name of each one's definition. What is missing gets a definition that the editor hides
// from its search and its node library, because it is marked as deprecated. 1.58 needs none.
import { app } from '/scripts/app.js'

const LOADERS = [
  'CheckpointLoaderSimple',
  'ImageOnlyCheckpointLoader',
  'LoraLoader',
  'LoraLoaderModelOnly',
  'VAELoader',
  'ControlNetLoader',
  'UNETLoader',
  'UpscaleModelLoader',
  'StyleModelLoader',
  'GLIGENLoader'
]
const FIRST_WITHOUT_NEED = [1, 58]

const hidden = (name) => ({
  name,
  display_name: name,
  description: 'This node is not installed.',
  category: 'not installed',
  python_module: 'nodes',
  input: { required: {} },
  input_order: { required: [] },
  output: [],
  output_name: [],
  output_is_list: [],
  output_node: false,
  deprecated: true
})

const needed = () => {
  const [major, minor] = (window.__COMFYUI_FRONTEND_VERSION__ ?? '1.27').split('.').map(Number)
  return major < FIRST_WITHOUT_NEED[0] || (major === FIRST_WITHOUT_NEED[0] && minor < FIRST_WITHOUT_NEED[1])
}

app.registerExtension({
  name: 'comfy-nodes.missing-loaders',
  addCustomNodeDefs(definitions) {
    if (!needed()) return
    for (const name of LOADERS) definitions[name] ??= hidden(name)
  }
})
