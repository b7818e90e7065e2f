/**
 * The three views: shows the rows that the pure modules make. Requests are asked for while their view is visible and something changed,
 * never by a timer.
 */

import {
  type TreeDataProvider,
  type TreeView,
  EventEmitter,
  ThemeColor,
  ThemeIcon,
  TreeItem,
  TreeItemCollapsibleState,
  window,
} from "vscode";
import type { Record as Decision } from "../../../protocol/protocol";
import type { App } from "../app";
import { Paced } from "../paced";
import { clock, markdown } from "../statusBar";
import { type Node, type Pool, type Tint, keyNodes, relayNodes } from "./model";
import { needs } from "./needs";
import { requestNodes } from "./requests";

/** A view does not change more often. */
const PAUSE_MS = 250;
/** As many as a person looks through. */
const RECORDS = 50;
const COLOURS: Record<Tint, string> = {
  good: "testing.iconPassed",
  waiting: "list.warningForeground",
  bad: "list.errorForeground",
  off: "disabledForeground",
};

/** The views of this window, live until they are disposed. */
export function showViews(app: App): { dispose(): unknown }[] {
  const pool = (): Pool => ({
    view: app.view,
    keys: app.reading.secrets.keys,
    instances: app.reading.settings.serverlessInstances,
  });
  const keys = new Rows(() => keyNodes(pool(), Date.now(), clock));
  const relays = new Rows(() => relayNodes(pool(), Date.now(), clock));
  const records = new Records(app);
  const requests = new Rows(() => requestNodes(records.all, app.view.names, clock));
  const keysView = open("keys", keys);
  const relaysView = open("relays", relays);
  const requestsView = open("requests", requests);
  /** A view that nobody sees is looked after when it is seen. */
  const look = async (): Promise<void> => {
    const needed = needs(app.view);
    setBadge(keysView, needed.keys);
    setBadge(relaysView, needed.relays);
    relaysView.description = app.view.status?.mode ?? app.reading.settings.deploymentMode;
    if (keysView.visible) {
      keys.look();
    }
    if (relaysView.visible) {
      relays.look();
    }
    if (requestsView.visible) {
      await records.ask();
      requests.look();
    }
  };
  const paced = new Paced(() => void look(), PAUSE_MS);
  const lookSoon = (): void => {
    paced.call();
  };
  lookSoon();
  return [
    paced,
    keysView,
    relaysView,
    requestsView,
    keys,
    relays,
    requests,
    app.onDidChange(lookSoon),
    ...[keysView, relaysView, requestsView].map((view) => view.onDidChangeVisibility(lookSoon)),
  ];
}

/** Rows as the editor asks for them; it is told only of rows that differ from those it has. */
class Rows implements TreeDataProvider<Node> {
  private readonly changed = new EventEmitter<undefined>();
  private shown = "";
  readonly onDidChangeTreeData = this.changed.event;

  constructor(private readonly nodes: () => Node[]) {}

  look(): void {
    if (JSON.stringify(this.nodes()) !== this.shown) {
      this.changed.fire(undefined);
    }
  }

  getChildren(node?: Node): Node[] {
    if (node !== undefined) {
      return node.children;
    }
    const nodes = this.nodes();
    this.shown = JSON.stringify(nodes);
    return nodes;
  }

  getTreeItem(node: Node): TreeItem {
    const { id, label, description, tooltip, spoken, icon, context, children } = node;
    const item = new TreeItem(
      label,
      children.length > 0 ? TreeItemCollapsibleState.Collapsed : TreeItemCollapsibleState.None,
    );
    item.id = id;
    item.description = description;
    item.tooltip = markdown(tooltip);
    item.iconPath = new ThemeIcon(icon.glyph, icon.tint && new ThemeColor(COLOURS[icon.tint]));
    item.contextValue = context;
    item.accessibilityInformation = { label: spoken };
    return item;
  }

  dispose(): void {
    this.changed.dispose();
  }
}

/** What the sidecar remembers of the last requests; one question at a time. */
class Records {
  all: readonly Decision[] = [];
  private asking: Promise<void> | undefined;
  private again = false;

  constructor(private readonly app: App) {}

  /** Returns when {@link all} is as new as this call. */
  async ask(): Promise<void> {
    this.again = true;
    this.asking ??= this.askAll().finally(() => {
      this.asking = undefined;
    });
    await this.asking;
  }

  private async askAll(): Promise<void> {
    while (this.again) {
      this.again = false;
      if (this.app.view.phase.kind !== "running") {
        this.all = [];
        continue;
      }
      try {
        this.all = await this.app.sidecar.records({ limit: RECORDS });
      } catch {
        // The sidecar went meanwhile; when it is back, something changes.
      }
    }
  }
}

function open(name: string, rows: Rows): TreeView<Node> {
  return window.createTreeView(`geminiAggregator.${name}`, { treeDataProvider: rows, showCollapseAll: true });
}

function setBadge(view: TreeView<Node>, needed: readonly string[]): void {
  const tooltip = needed.join("\n");
  if (needed.length === 0) {
    view.badge = undefined;
  } else if (view.badge?.tooltip !== tooltip || view.badge.value !== needed.length) {
    view.badge = { value: needed.length, tooltip };
  }
}
