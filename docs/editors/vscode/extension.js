// Starts `agi-rhai lsp` and connects the editor to it. All that is known of scripts is in that program.
'use strict';

const { commands, window, workspace } = require('vscode');
const { LanguageClient } = require('vscode-languageclient/node');

let client;

async function start() {
  const settings = workspace.getConfiguration('agi-rhai');
  const program = settings.get('path');
  const server = { command: program, args: ['lsp', ...settings.get('arguments')] };
  client = new LanguageClient('agi-rhai', 'agi-rhai', server, {
    documentSelector: [{ language: 'rhai' }, { language: 'agi-rhai-prompts' }],
  });
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    window.showErrorMessage(`agi-rhai: cannot run "${program} lsp" (setting agi-rhai.path): ${error.message}`);
  }
}

async function stop() {
  const running = client;
  client = undefined;
  await running?.stop();
}

exports.activate = async (context) => {
  context.subscriptions.push(
    commands.registerCommand('agi-rhai.restart', async () => {
      await stop();
      await start();
    }),
  );
  await start();
};

exports.deactivate = stop;
