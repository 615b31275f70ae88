// The protocol between the page and its engines: the messages of a run with the results in them, and the questions.
// ui/protocol.py has the same types. A sprite is pictures beside each other.

/** @import { Sprite } from "../pictures/sprite.js" */
/** @import { Picture } from "../pictures/resize.js" */
/** @import { State } from "../run/stream.js" */

/**
 * @template [R=Result]
 * @typedef {object} Message
 * @property {string} run
 * @property {number} seq 1, 2, …
 * @property {State} state
 * @property {string} text
 * @property {number | null} progress 0 to 1
 * @property {number | null} left seconds
 * @property {R[]} results what has been computed since the last message
 */

/**
 * @typedef {object} Block of a U-Net
 * @property {string} name
 * @property {number[]} shape channels, rows, columns
 * @property {string} parts its layers
 */

/**
 * What `python -m benchmarks inside` found.
 * @typedef {object} Figures
 * @property {number} seeds
 * @property {number} steps
 * @property {"right" | "rms"} unit the share of runs that show the class asked for, or the distance from the whole runs
 * @property {Record<string, number> | null} judge
 * @property {number} whole of the whole runs
 * @property {Record<string, Record<string, number>>} off without a part: in all steps, in the first half, in the second
 * @property {Record<string, number>} condition with the class in some steps only
 * @property {Record<string, Record<string, number>>} graft with the middle of a run of another class, by its steps
 */

/**
 * @typedef {object} Opening what the engine has read before the first step; the page's own plan adds the rest
 * @property {"plan"} kind
 * @property {string[]} [words] the prompt of one lane, as the model reads it
 * @property {string[]} [unknown] words that are new to a model
 * @property {number[][] | null} [published] what the paper has of these pictures
 * @property {Block[]} [blocks] of an opened network, in the order of the computation
 * @property {string[]} [skips] the coarsest first
 * @property {Record<string, number[]> | null} [r2] how well each block can be read at each step; null where no readers were fitted
 * @property {Figures | null} [figures] what was measured with parts switched off
 */

/**
 * The pictures after step k of a lane: x is x_s, x0 is x̂_0 as seen from x_t. Long runs are thinned: not every k comes.
 * @typedef {object} Frame
 * @property {"frame"} kind
 * @property {number} lane
 * @property {number} k
 * @property {number} sigma
 * @property {Sprite} x
 * @property {Sprite} x0
 * @property {Sprite} [z] of a latent model: x as it is, a pixel for each latent
 * @property {Sprite} [z0] likewise x̂_0
 * @property {boolean} [decoded] whether x and x0 are decoded; else they are previews
 * @property {[number, number][]} [apart] of a touched lane, how far each picture is from lane A's: the mean of |A − B| in
 *   grey levels, and the share of pixels in which they differ
 * @property {Sprite} [attention] where each word is looked at: pictures with a row for each word
 */

/**
 * @typedef {object} Look where a place looks in a layer of self-attention
 * @property {string} layer its name in the network
 * @property {Sprite} maps of its heads: the largest share is white
 */

/**
 * What an opened network gives at step k of a lane. The pictures of blocks are in their order.
 * @typedef {object} Inside
 * @property {"inside"} kind
 * @property {number} lane
 * @property {number} k
 * @property {number} t
 * @property {Sprite} x x_s
 * @property {Sprite} x0
 * @property {Sprite} channels of the chosen block, each from its darkest number to its brightest one
 * @property {Sprite[]} [read] what a reader finds of x̂_0 in each block
 * @property {Sprite[]} [colours] the numbers of each block as colours
 * @property {Look[]} [looks] where the chosen place looks
 */

/**
 * @typedef {object} Source a picture on its way or final
 * @property {"source"} kind
 * @property {number} i
 * @property {Sprite} x
 * @property {boolean} final
 */

/**
 * @typedef {object} Head beside a row: what it began with, or where its pictures differ
 * @property {"latent" | "map"} kind
 * @property {number} row
 * @property {Sprite[]} x
 */

/**
 * @typedef {object} Step
 * @property {"step"} kind
 * @property {number} row
 * @property {number} k
 * @property {number} s
 * @property {Sprite} x0
 * @property {Sprite} [x]
 */

/**
 * @typedef {object} Row the end of a row; in grey levels
 * @property {"row"} kind
 * @property {number} row
 * @property {number} spread
 * @property {number} [gap]
 */

/**
 * @typedef {object} Cells pictures beside each other, and their places
 * @property {"cells"} kind
 * @property {number[]} cells
 * @property {Sprite} x
 */

/**
 * @typedef {object} Training how one in the plane goes
 * @property {"training"} kind
 * @property {number} steps
 * @property {[number, number][]} curve step and loss
 * @property {number} least the loss of the exact ε
 * @property {Int16Array | null} x a small cloud of the network as it is; null when the training is done
 */

/**
 * @typedef {object} Cloud points of the plane
 * @property {"frame"} kind
 * @property {number} lane
 * @property {number} s
 * @property {number} alpha_bar of s
 * @property {number} reach how far the plane is seen at s
 * @property {Int16Array} x
 * @property {Int8Array | null} field the network's score; null for the exact one
 */

/**
 * @typedef {object} Decoding the receiver's guesses: pictures for each picture
 * @property {"decoding"} kind
 * @property {number[]} times
 * @property {Sprite[]} rows
 */

/**
 * @typedef {object} Early the first picture, by a short chain
 * @property {"early"} kind
 * @property {number} steps
 * @property {number} bits
 */

/**
 * @typedef {object} Curves at the times
 * @property {number[]} L
 * @property {number[]} rate
 */

/**
 * @typedef {object} Bits means over the pictures so far
 * @property {"bits"} kind
 * @property {number} done pictures
 * @property {Record<string, Record<string, [number, number | null, number, number]>>} chains by variance and steps: bits, error, prior, L_0
 * @property {Record<string, Curves>} curves by variance, at the times
 * @property {number[]} rmse at the times, on the scale 0 to 255
 * @property {number[]} times ascending
 */

/** @typedef {Opening | Frame | Inside | Source | Head | Step | Row | Cells | Training | Cloud | Decoding | Early | Bits} Result */

// --- Questions: an engine answers each with what stands here, or {error}, a sentence

/** @typedef {object} Nothing */

/**
 * @typedef {object} ModelChoice a checkpoint in the list of models
 * @property {string} ref
 * @property {string} label
 * @property {string} about what else is said of it
 * @property {string} group
 * @property {boolean} ready whether it can be chosen; about says why, where it can't
 * @property {boolean} latent
 * @property {string} picture the address of a thumbnail, "" for none
 */

/**
 * @typedef {object} Device what computes
 * @property {string} note
 * @property {string} engine
 */

/**
 * @typedef {object} ModelList
 * @property {ModelChoice[]} models
 * @property {Device} device
 * @property {boolean} known whether the Hub has been asked for all of them
 */

/**
 * @typedef {object} ModelAsked
 * @property {string} ref
 * @property {boolean} [pictures] whether examples are wanted
 * @property {boolean} [typed] whether the visitor has chosen it, and no link
 */

/**
 * @typedef {object} Origin where a checkpoint is from
 * @property {string | null} [ref]
 * @property {string | null} [name]
 * @property {string | null} [revision]
 * @property {string | null} [weights]
 * @property {string | null} [file]
 * @property {boolean | null} [fixed]
 */

/**
 * @typedef {object} StudentSpec
 * @property {"consistency" | "progressive"} method
 * @property {number[]} times
 * @property {number[]} usual those of its authors, where they take fewer steps; empty without
 * @property {number | null} guidance the scale that it has learned
 */

/**
 * @typedef {object} Spec the fields of ddpm_core.model.ModelSpec that are plain data
 * @property {number} image_size
 * @property {number} channels
 * @property {number} factor pixels a side of one number of x: 1 but for a latent model
 * @property {string} prediction
 * @property {string} variance
 * @property {number} num_classes
 * @property {number | null} null_label
 * @property {string[] | null} class_names
 * @property {boolean} clip
 * @property {Origin | null} source
 * @property {boolean | null} gamma whether Γ was estimated for these weights
 * @property {Record<string, Record<string, number[]>> | null} optimised times by sampler and number of steps
 * @property {StudentSpec | null} student
 * @property {boolean} latent
 * @property {boolean} takes_words
 * @property {number} leading_offset
 * @property {string | null} coordinates null but for score, EDM and flow models
 * @property {number} [floor] the least σ of such a model
 * @property {number | null} snr
 * @property {number} corrections
 * @property {boolean} readers whether some were fitted
 */

/**
 * @typedef {object} Autoencoder of a latent model: z · scale, shifted, is what the network knows
 * @property {string} folder of it in the checkpoint
 * @property {string} kind its class
 * @property {number} scale
 * @property {number} shift
 */

/**
 * @typedef {object} Home where a checkpoint lies for diffusers
 * @property {string} where the arguments of `from_pretrained` that name it, as Python
 * @property {boolean} has_scheduler whether its scheduler has a folder of its own
 * @property {Autoencoder | null} autoencoder
 * @property {boolean} own_class whether diffusers lacks the network's class
 */

/**
 * @typedef {object} ScheduleTable t = 0..T
 * @property {number} T
 * @property {number[]} beta
 * @property {number[]} alphaBar
 * @property {boolean} [exploding]
 */

/**
 * @typedef {object} KeptGamma Γ at some times, ascending
 * @property {number[]} times
 * @property {number[]} gamma
 */

/**
 * @typedef {object} KeptTimes
 * @property {Record<string, Record<string, string>>} times by sampler and number of steps, descending
 */

/**
 * @typedef {object} Sidecars what is used of the files beside the weights, null where there are none
 * @property {KeptGamma | null} gamma
 * @property {KeptTimes | null} optimised
 */

/**
 * @typedef {object} Pipeline of diffusers, for a model with coordinates
 * @property {string} name
 * @property {number | null} sigma of x_T
 */

/**
 * @typedef {object} ModelFacts what is known of a checkpoint whose files are here
 * @property {Spec} spec
 * @property {Home} home
 * @property {ScheduleTable} scheduler
 * @property {Sidecars} sidecars
 * @property {Pipeline | null} [pipeline]
 * @property {number[][] | null} [colours] of the preview of a latent
 */

/**
 * @typedef {object} ShippedSet of pictures, which comes with the page
 * @property {string} title
 * @property {number} count
 */

/**
 * @typedef {object} Example a picture of such a set
 * @property {string} name what it shows
 * @property {string} text the picture, as addresses have it: see pictures/text.js
 */

/**
 * @typedef {object} Known what an engine says of a checkpoint
 * @property {string} ref
 * @property {number} count pictures of a first run
 * @property {number} download bytes, 0 where it is here or nobody knows
 * @property {ModelFacts | null} facts null as long as its files are not here
 * @property {ShippedSet | null} [set]
 * @property {Example[]} [examples]
 */

/**
 * @typedef {object} Download
 * @property {string} ref
 * @property {number} bytes
 */

/**
 * @typedef {object} RunCost what an engine says of the time that a run takes, asked of its part with the values of its form
 * @property {number | null} seconds null where that is not known
 * @property {Download[]} missing what must be downloaded first
 * @property {string} device "CPU" or "GPU"
 * @property {boolean} busy whether others compute on it, on a page for all
 */

/**
 * @typedef {object} RunAsked
 * @property {string | null} run
 */

/**
 * @typedef {object} RunHere a run whose messages can still be had
 * @property {boolean} closing whether they end with this app
 */

/**
 * @typedef {object} RoomAsked
 * @property {string} page its address
 */

/**
 * @typedef {object} Invitation
 * @property {string} [address] where others can open the page
 * @property {string} [code] the same as a QR code, an SVG as data-URI
 * @property {string} [why] they can't
 */

/**
 * @typedef {object} EngineQuestions
 * @property {(asked: Nothing) => ModelList} models
 * @property {(asked: ModelAsked) => Known} facts
 * @property {(asked: Nothing) => Record<string, string>} emoji
 * @property {(asked: RunAsked) => Nothing} stop
 * @property {(asked: RunAsked) => RunHere} run
 * @property {(asked: RoomAsked) => Invitation} room
 */

/**
 * @typedef {object} Weights of a schedule at t = 0…T: `ddpm_core.plane.forward.tables`
 * @property {Float32Array} beta
 * @property {Float32Array} signal √ᾱ_t
 * @property {Float32Array} noise √(1 − ᾱ_t)
 * @property {Float32Array} of_x_0 of the posterior mean
 * @property {Float32Array} of_x_t
 * @property {Float32Array} beta_tilde
 */

/**
 * @typedef {object} DrawingAsked
 * @property {string} name
 */

/**
 * @typedef {object} Drawing
 * @property {Picture[]} picture one
 */

/**
 * @typedef {object} NoiseAsked
 * @property {number} size
 * @property {number} seed
 */

/**
 * @typedef {object} Noise
 * @property {Int16Array} epsilon in units of EPSILON_UNIT
 */

/**
 * @typedef {object} WalkAsked
 * @property {number} size
 * @property {string} pixels as base64
 * @property {string} schedule
 * @property {number} t
 * @property {number} seed
 */

/**
 * @typedef {object} Comparison t small steps beside one jump: `ddpm_core.plane.forward.Comparison`; pairs are of both
 * @property {Sprite} walk
 * @property {Sprite} jump
 * @property {[number, number]} mean
 * @property {[number, number]} std
 * @property {number} sigma
 * @property {number[]} edges of the histograms
 * @property {[number[], number[]]} densities
 * @property {number} gap
 * @property {number} chance
 */

/**
 * @typedef {object} ForwardQuestions
 * @property {(asked: Nothing) => Record<string, Sprite>} thumbs
 * @property {(asked: Nothing) => Record<string, Weights>} tables
 * @property {(asked: DrawingAsked) => Drawing} picture
 * @property {(asked: NoiseAsked) => Noise} noise
 * @property {(asked: WalkAsked) => Comparison} compare
 */

/**
 * @typedef {object} Grid samples of a step of a training; null where a picture is gone
 * @property {number} step
 * @property {number} seconds of training, until then; 0 where that says nothing, in the recorded run
 * @property {number | null} error of x̂_0 with the moving average, in grey levels
 * @property {Sprite | null} ema with the moving average
 * @property {Sprite | null} raw with the weights themselves
 * @property {Sprite} [pairs] those of `ema`, each beside the nearest drawing of the visitor's
 * @property {number} [likeness] how far they are from it, as a share of how far the drawings are from each other
 */

/**
 * idle: there is no run. starting: no samples yet. waiting: likewise, as others compute. silent: a followed run that says nothing any more.
 * @typedef {"idle" | "starting" | "waiting" | "running" | "pausing" | "paused" | "stopping" | "stopped" | "finished" | "error" | "silent"} TrainState
 */

/**
 * The state of the visitor's training, and with it what the page does not know yet. `version` changes when what was known
 * no longer holds.
 * @typedef {object} TrainingNow
 * @property {[number, number]} [from] how many points and grids the new ones follow
 * @property {TrainState} state
 * @property {number} number of the run, counted by visitor
 * @property {string} [text]
 * @property {string} [title]
 * @property {string} [recipe] the same for runs whose losses can be compared
 * @property {string | null} [followed] a folder
 * @property {number} [step]
 * @property {number | null} [left] seconds
 * @property {boolean} [saved] whether there is a model
 * @property {number} [version]
 * @property {[number, number | null, number | null, number][]} [points] step, loss, images a second, seconds
 * @property {Grid[]} [grids]
 * @property {boolean} [more] grids are left: ask again at once
 * @property {number} [total] steps
 * @property {number} [batch] images a step
 * @property {number} [classes]
 */

/**
 * @typedef {object} NowAsked what the page has
 * @property {string} visitor
 * @property {number} number
 * @property {number} version
 * @property {number} points
 * @property {number} grids
 */

/**
 * @typedef {object} StartAsked the fields of the form
 * @property {string} visitor
 * @property {string} [data]
 * @property {string} [path]
 * @property {string} [prediction]
 * @property {string} [objective]
 * @property {string} [length]
 * @property {string} [lr]
 * @property {string} [width]
 * @property {number[][][]} [drawings] strokes of each
 */

/**
 * @typedef {object} Found
 * @property {string} found how many pictures a file or folder has, and their size
 */

/**
 * @typedef {object} FollowAsked
 * @property {string} visitor
 * @property {string} path
 */

/**
 * @typedef {object} DoAsked
 * @property {string} visitor
 * @property {"pause" | "resume" | "stop" | "hurry" | "keep"} what
 */

/**
 * @typedef {object} Did
 * @property {string} [kept] the folder
 * @property {string | null} [data] the file of drawings in it
 */

/**
 * @typedef {object} UseAsked
 * @property {string} visitor
 */

/**
 * @typedef {object} Used
 * @property {string} ref of the visitor's model, which is in the list of models now
 */

/**
 * @typedef {object} TrainQuestions
 * @property {(asked: NowAsked) => TrainingNow} now
 * @property {(asked: StartAsked) => Nothing} start
 * @property {(asked: FollowAsked) => Found} pictures
 * @property {(asked: FollowAsked) => Nothing} follow
 * @property {(asked: DoAsked) => Did} do
 * @property {(asked: UseAsked) => Used} use
 */

/**
 * @typedef {object} Cards
 * @property {string} html
 */

/**
 * @typedef {object} CourseQuestions
 * @property {(asked: Nothing) => Cards} cards
 */

/**
 * @typedef {object} Questions
 * @property {EngineQuestions} engine
 * @property {ForwardQuestions} forward
 * @property {TrainQuestions} train
 * @property {CourseQuestions} course
 */

export {};
