// Reads the Bicep files given, with the grammar that editors use, and says what is wrong in
// them. It is no compiler: it knows syntax and names, and types only with TYPES, a clone of
// Microsoft's github.com/Azure/bicep-types-az. Exits 1 if there is a fault.
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { Language, Parser } from 'web-tree-sitter'
import { held } from './types.mjs'

const require = createRequire(import.meta.url)
await Parser.init()
const parser = new Parser()
parser.setLanguage(await Language.load(require.resolve('tree-sitter-bicep/tree-sitter-bicep.wasm')))

const functions = new Set(`any array bool concat contains empty environment guid int items join json length listKeys
  map object replace resourceGroup resourceId string subscription subscriptionResourceId tenant toLower union
  uniqueString allowed description maxLength maxValue minLength minValue secure az sys`.split(/\s+/))
const previews = new Set(['Microsoft.Insights/diagnosticSettings@2021-05-01-preview']) // there is no other one

let faults = 0
let resources = 0
const files = new Map()

function text(node) { return node.text.replace(/^'|'$/g, '') }
const named = node => node.namedChildren.filter(c => c.type !== 'comment')
const first = (node, type) => named(node).find(c => c.type === type)
const last = (node) => named(node).at(-1)

function* walk(node) {
  yield node
  for (const c of named(node)) yield* walk(c)
}

// read notes what a file declares.
function read(path) {
  if (files.has(path)) return files.get(path)
  const tree = parser.parse(readFileSync(path, 'utf8'))
  const file = { path, root: tree.rootNode, params: new Map(), outputs: new Set(), symbols: new Map() }
  files.set(path, file)
  let decorators = ''
  for (const d of named(file.root)) {
    if (d.type === 'decorators') { decorators = d.text; continue }
    const name = first(d, 'identifier')?.text
    const node = { d, decorators }
    decorators = ''
    switch (d.type) {
      case 'parameter_declaration':
        node.optional = named(d).length > 2
        file.params.set(name, node)
        file.symbols.set(name, node)
        break
      case 'output_declaration':
        file.outputs.add(name)
        break
      case 'variable_declaration': case 'resource_declaration': case 'module_declaration': case 'type_declaration':
        file.symbols.set(name, node)
    }
  }
  return file
}

function check(path) {
  const file = read(path)
  const say = (node, what) => { faults++; console.log(`${path}:${node.startPosition.row + 1}: ${what}`) }
  for (const n of walk(file.root)) if (n.type === 'ERROR' || n.isMissing) say(n, `is no Bicep: ${n.text.slice(0, 40)}`)

  const used = new Set()
  const value = name => {
    const d = file.symbols.get(name)?.d
    return d?.type === 'variable_declaration' ? last(d) : undefined
  }
  const visit = (n, scope) => {
    switch (n.type) {
      case 'decorators':
        return
      case 'object_property': case 'lambda_expression': case 'for_statement': {
        const children = named(n)
        if (n.type === 'object_property') {
          const key = children[0]
          if (key.type !== 'identifier') visit(key, scope) // a string may hold an expression
          for (const c of children.slice(1)) visit(c, scope)
          return
        }
        const own = new Set([...scope, ...children.slice(0, -1).filter(c => c.type === 'identifier').slice(0, 1).map(c => c.text)])
        for (const c of children) visit(c, own)
        return
      }
      case 'identifier':
        if (scope.has(n.text)) return
        if (file.symbols.has(n.text)) used.add(n.text)
        else if (!functions.has(n.text)) say(n, `${n.text} is nowhere declared`)
        return
      case 'member_expression': {
        const m = n.text.match(/^(\w+)\.outputs\.(\w+)$/)
        const of = m && file.symbols.get(m[1])
        if (of?.d.type === 'module_declaration' && !read(moduleOf(path, of.d)).outputs.has(m[2])) say(n, `the module ${m[1]} has no output ${m[2]}`)
      }
    }
    for (const c of named(n)) visit(c, scope)
  }
  for (const d of named(file.root)) {
    if (d.type === 'decorators') continue
    for (const c of named(d).slice(1)) visit(c, new Set())
    if (d.type === 'resource_declaration') resource(d, value, say)
    if (d.type === 'module_declaration') module(path, d, say)
    if (d.type === 'output_declaration') {
      for (const [name, s] of file.symbols) if (s.decorators.includes('secure()') && new RegExp(`\\b${name}\\b`).test(last(d).text)) say(d, `an output shows the secret ${name}`)
      if (/\blist[A-Z]\w*\(/.test(last(d).text)) say(d, 'an output shows what a list function gives')
    }
  }
  for (const [name, { d, decorators }] of file.symbols) {
    if (['parameter_declaration', 'variable_declaration', 'type_declaration'].includes(d.type) && !used.has(name)) say(d, `${name} is not used`)
    if (d.type === 'parameter_declaration' && /(secret|password|token)$/i.test(name) && !decorators.includes('secure()')) say(d, `${name} is a secret and not @secure()`)
  }
}

function resource(d, value, say) {
  resources++
  const type = text(first(d, 'string'))
  if (!/^Microsoft\.[A-Za-z]+(\/[A-Za-z]+)+@20\d\d-[01]\d-[0-3]\d(-preview)?$/.test(type)) say(d, `${type} is no type of resource`)
  if (type.endsWith('-preview') && !previews.has(type)) say(d, `${type} is a preview`)
  if (!/\bexisting\b/.test(d.text.split('{')[0]) && process.env.TYPES) held(process.env.TYPES, type, body(d), value, say)
}

// body is the object of a resource or a module, behind its condition.
function body(d) { return [...walk(d)].find(n => n.type === 'object') }

function moduleOf(path, d) { return join(dirname(path), text(first(d, 'string'))) }

function module(path, d, say) {
  const at = moduleOf(path, d)
  if (!existsSync(at)) return say(d, `${at} is not there`)
  const params = read(at).params
  const given = named(body(d)).find(p => named(p)[0].text === 'params')
  const names = given ? named(last(given)).map(p => named(p)[0].text) : []
  for (const n of names) if (!params.has(n)) say(d, `${basename(at)} has no parameter ${n}`)
  for (const [n, p] of params) if (!p.optional && !names.includes(n)) say(d, `the parameter ${n} of ${basename(at)} is not given`)
}

for (const path of process.argv.slice(2)) check(path)
console.log(`${process.argv.length - 2} Bicep files, ${resources} resources, ${faults} faults${process.env.TYPES ? '; held against Microsoft\'s types' : ''}`)
process.exit(faults ? 1 : 0)
