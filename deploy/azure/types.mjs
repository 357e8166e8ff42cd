// Holds the body of a resource against Microsoft's description of its type.
import { execFileSync } from 'node:child_process'

const cache = new Map()

function load(repo, type) {
  if (cache.has(type)) return cache.get(type)
  const version = type.split('@')[1].toLowerCase()
  const git = (...args) => execFileSync('git', ['-C', repo, ...args], { encoding: 'utf8', maxBuffer: 1 << 30 })
  const paths = git('ls-tree', '-r', '--name-only', 'HEAD', 'generated/').split('\n')
    .filter(p => p.includes(`/${type.split('/')[0].toLowerCase()}/${version}/`) && p.endsWith('types.json'))
  for (const p of paths) {
    const types = JSON.parse(git('show', `HEAD:${p}`))
    const found = types.find(t => t.$type === 'ResourceType' && t.name.toLowerCase() === type.toLowerCase())
    if (found) {
      const all = { types, body: found.body }
      cache.set(type, all)
      return all
    }
  }
}

const named = node => node.namedChildren.filter(c => c.type !== 'comment')

// held says what does not fit; value gives the value of a variable of the file.
export function held(repo, type, node, value, say) {
  const top = type.split('@')[0]
  const all = load(repo, type)
  if (!all) return say(node, `Microsoft does not describe ${type}`)
  const at = ref => all.types[Number(ref.$ref.split('/').pop())]
  const fits = (t, n, path) => {
    switch (n.type) {
      case 'parenthesized_expression': return fits(t, named(n)[0], path)
      case 'ternary_expression': return named(n).slice(1).forEach(c => fits(t, c, path))
      case 'for_statement': return fits(t.$type === 'ArrayType' ? at(t.itemType) : t, named(n).at(-1), path)
      case 'identifier': return value(n.text) && fits(t, value(n.text), path)
      case 'call_expression':
        if (t.$type !== 'ArrayType') return
        if (named(n)[0].text === 'concat') named(n)[1].namedChildren.forEach(c => fits(t, c, path))
        if (named(n)[0].text === 'map') fits(at(t.itemType), named(named(n)[1].namedChildren[1]).at(-1), `${path}[]`)
        return
      case 'if_statement': return fits(t, named(n).at(-1), path)
    }
    switch (t.$type) {
      case 'ObjectType': case 'DiscriminatedObjectType': {
        if (n.type !== 'object') return ['string', 'number', 'boolean', 'array'].includes(n.type) ? say(n, `${path} is an object`) : undefined
        let props = { ...(t.properties ?? t.baseProperties) }
        if (t.$type === 'DiscriminatedObjectType') {
          const d = named(n).find(p => named(p)[0].text === t.discriminator)
          const branch = d && t.elements[named(d)[1].text.replace(/'/g, '')]
          if (!branch) return say(n, `${path}.${t.discriminator} is none of ${Object.keys(t.elements)}`)
          props = { ...props, ...at(branch).properties }
        }
        const given = new Set()
        for (const p of named(n)) {
          const key = named(p)[0].text.replace(/'/g, '')
          given.add(key)
          const known = props[key]
          if (['scope', 'parent', 'dependsOn'].includes(key) && path === top) continue
          if (!known) {
            if (t.additionalProperties) fits(at(t.additionalProperties), named(p).at(-1), `${path}.${key}`)
            else say(p, `${path} has no ${key}`)
            continue
          }
          if (known.flags & 2) say(p, `${path}.${key} is read-only`)
          fits(at(known.type), named(p).at(-1), `${path}.${key}`)
        }
        for (const [key, p] of Object.entries(props)) if (p.flags & 1 && !given.has(key)) say(n, `${path} lacks ${key}`)
        return
      }
      case 'ArrayType':
        if (n.type === 'array') named(n).forEach((c, i) => fits(at(t.itemType), c, `${path}[${i}]`))
        else if (['string', 'object', 'number', 'boolean'].includes(n.type)) say(n, `${path} is a list`)
        return
      case 'StringLiteralType': case 'UnionType': {
        if (n.type !== 'string' || n.text.includes('${')) return
        const may = (t.elements ?? []).map(at)
        const values = t.$type === 'UnionType' ? may.map(m => m.value) : [t.value]
        if (!may.some(m => m.$type === 'StringType') && !values.includes(n.text.slice(1, -1))) say(n, `${path}: ${n.text} is none of ${values}`)
        else if (may.length && !values.includes(n.text.slice(1, -1))) console.log(`  note: ${path}: ${n.text} is not among ${values}`)
        return
      }
      case 'StringType':
        if (['number', 'boolean', 'object', 'array'].includes(n.type)) say(n, `${path} is a text`)
        return
      case 'IntegerType':
        if (['string', 'boolean', 'object', 'array'].includes(n.type)) say(n, `${path} is a number`)
        return
      case 'BooleanType':
        if (['string', 'number', 'object', 'array'].includes(n.type)) say(n, `${path} is true or false`)
    }
  }
  fits(at(all.body), node, top)
}
