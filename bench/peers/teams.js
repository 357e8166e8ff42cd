// Microsoft's SDK since 2025: the token is validated, and a press on a card is answered
// with a card. Nothing is stored, nothing is called.
'use strict';
const { App } = require('@microsoft/teams.apps');
const { PUBLIC, withOverrides } = require('@microsoft/teams.api');

const quiet = { error() {}, warn() {}, info() {}, debug() {}, trace() {}, log() {}, child() { return quiet; } };
const app = new App({
  clientId: process.env.APP_ID,
  clientSecret: process.env.APP_SECRET,
  tenantId: process.env.TENANT_ID,
  cloud: withOverrides(PUBLIC, { openIdMetadataUrl: process.env.OPENID }),
  token: async () => 'never-sent',
  logger: quiet,
});
app.on('card.action', async () => ({
  statusCode: 200,
  type: 'application/vnd.microsoft.card.adaptive',
  value: { type: 'AdaptiveCard', version: '1.5', body: [{ type: 'TextBlock', text: 'On its way', wrap: true }] },
}));
app.start(Number(process.env.PORT));
