// What check.mjs is to find: each line that says "fault" has one, and no other line.
param unused string // fault
param password string // fault
@secure()
param hidden string
param location string

resource vault 'Microsoft.KeyVault/vaults@2023' = { // fault
  name: nowhere // fault
  location: location
  properties: {
    tenantId: tenant().tenantId
    sku: password
  }
}

module a 'faulty-module.bicep' = { // fault
  name: 'a'
  params: {
    given: 'x'
    more: 'y'
  }
}

module b 'missing.bicep' = { // fault
  name: 'b'
}

output shown string = hidden // fault
output listed string = vault.listKeys().keys[0].value // fault
output from string = a.outputs.nothing // fault
